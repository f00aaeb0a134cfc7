"""Each way to authenticate is told by its own field, with the reason, and its chain ends at the person or workload."""

from typing import Any, NamedTuple

import pytest
from identity_kit import (
    BEHALF,
    CLUSTER,
    GITHUB,
    PRODUCTION,
    SECURITY,
    SSO_PATH,
    SSO_PROVIDER,
    STORE,
    VENDOR,
    Record,
    across,
    assume,
    assumed,
    at,
    call,
    identifiers,
    key,
    made,
    provider,
    role_id,
    role_session,
    saml_user,
    service,
    session_for,
    steps,
    user,
    web_user,
)

from trailwarden.authmodel import classify
from trailwarden.sessions import link_sessions


class Case(NamedTuple):
    """Records, the session among theirs that is meant, and what is to be said of it."""

    id: str
    records: list[Record]
    session: dict[str, Any]
    method: str
    reason: str
    chain: list[tuple[str, str | None, str]]


RESERVED = "AWSReservedSSO_PowerUser_0123456789abcdef"
POD = "system:serviceaccount:payments:api"
INSTANCE = "i-0abc1234def567890"
FUNCTION = f"arn:aws:lambda:eu-central-1:{PRODUCTION}:function:resize"
BOB = ("iam_user", "bob", "proven")
CENTER_USER = {"type": "IdentityCenterUser", "accountId": SECURITY, **BEHALF, "credentialId": "c-1"}
SIGN_IN = {
    "source": "signin",
    "account": SECURITY,
    "eventType": "AwsServiceEvent",
    "additionalEventData": {"AuthWorkflowID": "w", "CredentialType": "PASSWORD", "UserName": "jane@company.com"},
}


def sso(key_name: str | None = None, created: int = 0, **more: Any) -> Record:
    return role_session(
        RESERVED,
        "jane@company.com",
        created=created,
        path=SSO_PATH,
        access_key=key(key_name) if key_name else None,
        **more,
    )


def console_login(identity: Record, seconds: int = 0, mfa: str = "Yes", **additional: Any) -> Record:
    return call(
        identity,
        "ConsoleLogin",
        source="signin",
        seconds=seconds,
        responseElements={"ConsoleLogin": "Success"},
        additionalEventData={"MFAUsed": mfa, "LoginTo": "https://console.aws.amazon.com/console/home", **additional},
        eventType="AwsConsoleSignIn",
    )


CASES = [
    Case(
        "identity center sign-in",
        [
            call(CENTER_USER, "CredentialChallenge", seconds=0, **SIGN_IN | {"additionalEventData": {"A": "w"}}),
            call(CENTER_USER, "CredentialVerification", seconds=9, **SIGN_IN),
            call(CENTER_USER, "UserAuthentication", seconds=10, **SIGN_IN),
        ],
        {},
        "identity_center",
        "IdentityCenterUser",
        [("identity_center_user", "jane@company.com", "proven")],
    ),
    Case(
        "identity center sign-in before July 2025",
        [
            call(
                {"type": "Unknown", "principalId": SECURITY, "accountId": SECURITY, "userName": "jane"},
                "UserAuthentication",
                **SIGN_IN,
            )
        ],
        {},
        "identity_center",
        "type Unknown in a record of Identity Center",
        [("identity_center_user", "jane", "claimed")],
    ),
    Case(
        "identity center role session with onBehalfOf on some events",
        [call(sso("one") | BEHALF), call(sso("two"), seconds=70)],
        {},
        "identity_center",
        "aws-reserved/sso.amazonaws.com",
        [("identity_center_user", "jane@company.com", "proven")],
    ),
    Case(
        "identity center role session without onBehalfOf, issued by its own provider",
        [
            assume(
                saml_user("jane@company.com"),
                RESERVED,
                "jane@company.com",
                operation="AssumeRoleWithSAML",
                access_key=key("issued"),
                request={"principalArn": SSO_PROVIDER},
                response={"subject": "jane@company.com"},
            ),
            call(sso("console")),
        ],
        {"session_name": "jane@company.com"},
        "identity_center",
        "aws-reserved/sso.amazonaws.com",
        [("identity_center_user", "jane@company.com", "proven")],
    ),
    Case(
        "identity center role by name alone, its path not recorded",
        [call(role_session(RESERVED, "jane", created=None, access_key=key("nopath")))],
        {},
        "identity_center",
        "its path is not recorded",
        [("identity_center_user", "jane", "claimed")],
    ),
    Case(
        "assertion of identity center's provider",
        [
            assume(
                saml_user("jane@company.com"),
                RESERVED,
                "jane@company.com",
                operation="AssumeRoleWithSAML",
                access_key=key("issued"),
                request={"principalArn": SSO_PROVIDER},
            )
        ],
        {},
        "identity_center",
        "AWSSSO_",
        [("identity_center_user", "jane@company.com", "proven")],
    ),
    Case(
        "saml federation",
        [
            assume(
                saml_user("rob@company.com"),
                "Analyst",
                "rob@company.com",
                operation="AssumeRoleWithSAML",
                access_key=key("issued"),
                request={"principalArn": provider("CompanyOkta"), "principalTags": {"email": "robert@company.com"}},
                response={"subject": "00u-rob"},
            ),
            call(role_session("Analyst", "rob@company.com", access_key=key("saml"))),
        ],
        {"session_name": "rob@company.com"},
        "saml",
        "CompanyOkta",
        [("saml_user", "00u-rob", "proven")],
    ),
    Case(
        "saml federation, told by the console login alone",
        [
            call(role_session("Analyst", "rob", access_key=key("saml"))),
            console_login(role_session("Analyst", "rob"), 1, "No", SamlProviderArn=provider("CompanyOkta")),
        ],
        {},
        "saml",
        "SamlProviderArn",
        [("unknown", "rob", "claimed")],
    ),
    Case(
        "saml assertion",
        [call(saml_user("rob"), "AssumeRoleWithSAML", source="sts", errorCode="AccessDenied")],
        {},
        "saml",
        "SAMLUser",
        [("saml_user", "rob", "proven")],
    ),
    Case(
        "oidc federation",
        [
            assume(
                web_user("repo:company/webshop:ref:refs/heads/main", GITHUB),
                "Deploy",
                "GitHubActions",
                operation="AssumeRoleWithWebIdentity",
                access_key=key("oidc"),
                response={
                    "provider": GITHUB,
                    "subjectFromWebIdentityToken": "repo:company/webshop:ref:refs/heads/main",
                },
            ),
            call(role_session("Deploy", "GitHubActions", access_key=key("oidc"))),
        ],
        {"session_name": "GitHubActions"},
        "oidc",
        "AssumeRoleWithWebIdentity",
        [("web_identity", "repo:company/webshop:ref:refs/heads/main", "proven")],
    ),
    Case(
        "oidc session whose issuing record is missing",
        [call(role_session("Deploy", "run-7", context={"webIdFederationData": {"federatedProvider": GITHUB}}))],
        {},
        "oidc",
        "webIdFederationData",
        [("unknown", "run-7", "claimed")],
    ),
    Case(
        "web identity",
        [call(web_user("repo:a/b:x", GITHUB), "AssumeRoleWithWebIdentity", source="sts", errorCode="AccessDenied")],
        {},
        "oidc",
        "WebIdentityUser",
        [("web_identity", "repo:a/b:x", "proven")],
    ),
    Case(
        "irsa",
        [
            assume(
                web_user(POD, CLUSTER),
                "api",
                "1700000000",
                operation="AssumeRoleWithWebIdentity",
                access_key=key("irsa"),
                response={"provider": CLUSTER, "subjectFromWebIdentityToken": POD},
            ),
            call(role_session("api", "1700000000", access_key=key("irsa"))),
        ],
        {"session_name": "1700000000"},
        "irsa",
        "Kubernetes service account",
        [("kubernetes_service_account", POD, "proven")],
    ),
    Case(
        "irsa session whose issuing record is missing",
        [call(role_session("api", "1700000001", context={"webIdFederationData": {"federatedProvider": CLUSTER}}))],
        {},
        "irsa",
        "webIdFederationData",
        [("unknown", "1700000001", "claimed")],
    ),
    Case(
        "pod identity",
        [
            call(
                role_session("node", INSTANCE, created=-100, access_key=key("node")),
                "AssumeRoleForPodIdentity",
                source="eks-auth",
                seconds=0,
                requestParameters={"clusterName": "prod", "token": "HIDDEN_DUE_TO_SECURITY_REASONS"},
                responseElements={
                    "subject": {"namespace": "payments", "serviceAccount": "api"},
                    "assumedRoleUser": {"assumeRoleId": f"{role_id('api')}:eks-prod-api-1"},
                    "credentials": "HIDDEN_DUE_TO_SECURITY_REASONS",
                },
            ),
            assume(service("pods.eks"), "api", "eks-prod-api-1", access_key=key("pod")),
            call(role_session("api", "eks-prod-api-1", access_key=key("pod"))),
        ],
        {"session_name": "eks-prod-api-1"},
        "pod_identity",
        "AssumeRoleForPodIdentity",
        [("kubernetes_service_account", POD, "proven")],
    ),
    Case(
        "pod identity, told by the session tags alone",
        [
            assume(
                service("pods.eks"),
                "api",
                "eks-prod-api-2",
                access_key=key("pod"),
                request={
                    "tags": [
                        {"key": "kubernetes-namespace", "value": "payments"},
                        {"key": "kubernetes-service-account", "value": "api"},
                    ]
                },
            ),
            call(role_session("api", "eks-prod-api-2", access_key=key("pod"))),
        ],
        {"session_name": "eks-prod-api-2"},
        "pod_identity",
        "AssumeRole by pods.eks.amazonaws.com",
        [("kubernetes_service_account", POD, "proven")],
    ),
    Case(
        "iam user in the console, by its flag",
        [call(user("bob", key("web"), **made(0)), sessionCredentialFromConsole="true")],
        {},
        "iam_user_console",
        "sessionCredentialFromConsole",
        [BOB],
    ),
    Case(
        "iam user in the console, by the login that opened the session",
        [console_login(user("bob"), 1), call(user("bob", key("web"), **made(0)))],
        {"created_is": True},
        "iam_user_console",
        "ConsoleLogin",
        [BOB],
    ),
    Case(
        "iam user's console login",
        [console_login(user("bob"))],
        {},
        "iam_user_console",
        "sign-in records",
        [BOB],
    ),
    Case(
        "iam user in the console, as older records show it",
        [call(user("bob", key("web"), invokedBy="signin.amazonaws.com", **made(0)))],
        {},
        "iam_user_console",
        "invokedBy signin.amazonaws.com",
        [BOB],
    ),
    Case(
        "iam user's access key",
        [call(user("bob", key("old", "AKIA")))],
        {},
        "iam_user_key",
        "AKIA",
        [BOB],
    ),
    Case(
        "iam user's access key, used on by a service",
        [call(user("bob", key("old", "AKIA"), invokedBy="cloudformation.amazonaws.com", **made(0)))],
        {},
        "iam_user_key",
        "AKIA",
        [BOB],
    ),
    Case(
        "GetSessionToken",
        [
            call(
                user("bob", key("old", "AKIA")),
                "GetSessionToken",
                source="sts",
                seconds=0,
                responseElements={"credentials": {"accessKeyId": key("token")}},
            ),
            call(user("bob", key("token"), **made(0, "true"))),
        ],
        {"access_keys": (key("token"),)},
        "session_token",
        "GetSessionToken issued the key",
        [BOB],
    ),
    Case(
        "GetSessionToken, its own record missing",
        [call(user("bob", key("token"), **made(0)))],
        {},
        "session_token",
        "temporary key and a sessionContext",
        [BOB],
    ),
    Case(
        "GetFederationToken",
        [
            call(
                user("bob", key("old", "AKIA")),
                "GetFederationToken",
                source="sts",
                seconds=0,
                requestParameters={"name": "dashboard"},
                responseElements={
                    "credentials": {"accessKeyId": key("fed")},
                    "federatedUser": {"federatedUserId": f"{PRODUCTION}:dashboard"},
                },
            ),
            call(
                {
                    "type": "FederatedUser",
                    "principalId": f"{PRODUCTION}:dashboard",
                    "arn": f"arn:aws:sts::{PRODUCTION}:federated-user/dashboard",
                    "accountId": PRODUCTION,
                    "accessKeyId": key("fed"),
                    **made(0, sessionIssuer=user("bob")),
                }
            ),
        ],
        {"method": "federation_token"},
        "federation_token",
        "FederatedUser",
        [BOB],
    ),
    Case(
        "GetFederationToken, its own record missing",
        [
            call(
                {
                    "type": "FederatedUser",
                    "principalId": f"{PRODUCTION}:dashboard",
                    "accountId": PRODUCTION,
                    "accessKeyId": key("fed"),
                    **made(0, sessionIssuer=user("bob")),
                }
            )
        ],
        {},
        "federation_token",
        "FederatedUser",
        [BOB],
    ),
    Case(
        "root",
        [call({"type": "Root", "principalId": PRODUCTION, "accountId": PRODUCTION, "accessKeyId": key("r")} | made(0))],
        {},
        "root",
        "type Root",
        [("root", "root", "proven")],
    ),
    Case(
        "AssumeRoot",
        [
            call(
                user("bob", key("old", "AKIA"), account=SECURITY),
                "AssumeRoot",
                source="sts",
                seconds=0,
                account=SECURITY,
                requestParameters={"targetPrincipal": PRODUCTION},
                responseElements={"credentials": {"accessKeyId": key("ar")}},
            ),
            call(
                {
                    "type": "Root",
                    "principalId": PRODUCTION,
                    "arn": f"arn:aws:iam::{PRODUCTION}:root",
                    "accountId": PRODUCTION,
                    "accessKeyId": key("ar"),
                    **made(0, assumedRoot="true"),
                }
            ),
        ],
        {"method": "assumed_root"},
        "assumed_root",
        "assumedRoot",
        [BOB],
    ),
    Case(
        "EC2 instance profile by IMDSv2",
        [call(role_session("web", INSTANCE, context={"ec2RoleDelivery": "2.0"}))],
        {},
        "instance_profile",
        "sessionContext.ec2RoleDelivery 2.0 (IMDSv2)",
        [("ec2_instance", INSTANCE, "proven")],
    ),
    Case(
        "EC2 instance profile by IMDSv1",
        [call(role_session("web", INSTANCE, context={"ec2RoleDelivery": "1.0"}))],
        {},
        "instance_profile",
        "sessionContext.ec2RoleDelivery 1.0 (IMDSv1)",
        [("ec2_instance", INSTANCE, "proven")],
    ),
    Case(
        "EC2 instance profile by the session's name alone",
        [call(role_session("web", INSTANCE))],
        {},
        "instance_profile",
        "nothing else tells",
        [("ec2_instance", INSTANCE, "claimed")],
    ),
    Case(
        "EC2 instance profile, issued by EC2",
        [
            assume(service("ec2"), "web", INSTANCE, access_key=key("imds")),
            call(role_session("web", INSTANCE, created=17, access_key=key("imds"))),
        ],
        {"session_name": INSTANCE},
        "instance_profile",
        "AssumeRole by ec2.amazonaws.com",
        [("ec2_instance", INSTANCE, "proven")],
    ),
    Case(
        "Lambda",
        [
            call(
                role_session(
                    "resize",
                    "resize",
                    inScopeOf={"issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": FUNCTION},
                )
            )
        ],
        {},
        "lambda",
        FUNCTION,
        [("lambda_function", "resize", "proven")],
    ),
    Case(
        "Lambda, issued by the service",
        [
            assume(service("lambda"), "resize", "resize", access_key=key("fn")),
            call(role_session("resize", "resize", access_key=key("fn"))),
        ],
        {"session_name": "resize"},
        "lambda",
        "AssumeRole by lambda.amazonaws.com",
        [("lambda_function", "resize", "proven")],
    ),
    Case(
        "AWS service",
        [call(service("cloudtrail"), "PutObject", ip="cloudtrail.amazonaws.com")],
        {},
        "aws_service",
        "AWSService",
        [("aws_service", "cloudtrail.amazonaws.com", "proven")],
    ),
    Case(
        "role linked to a service",
        [call(role_session("AWSServiceRoleForConfig", "AWSConfig", path="aws-service-role/config.amazonaws.com/"))],
        {},
        "aws_service",
        "aws-service-role",
        [("aws_service", "config.amazonaws.com", "proven")],
    ),
    Case(
        "role that a service assumed: its key differs, the time joins",
        [
            assume(service("backup"), "Backups", "AWSBackup", access_key=key("one")),
            call(role_session("Backups", "AWSBackup", access_key=key("two"))),
        ],
        {"session_name": "AWSBackup"},
        "aws_service",
        "AssumeRole by backup.amazonaws.com",
        [("aws_service", "backup.amazonaws.com", "proven")],
    ),
    Case(
        "forward access session of an IAM user",
        [call(user("bob", key("fas"), invokedBy="athena.amazonaws.com", **made(0)), ip="athena.amazonaws.com")],
        {},
        "aws_service",
        "forward access session",
        [BOB],
    ),
    Case(
        "aws login of a client",
        [call(sso("cli", context={"signInSessionArn": f"arn:aws:signin:eu-central-1:{PRODUCTION}:session/s"}))],
        {},
        "aws_login",
        "signInSessionArn",
        [("identity_center_user", "jane@company.com", "proven")],
    ),
    Case(
        "aws login, told by the token that gave the key",
        [
            call(
                user("bob", key("cli"), **made(0)),
                "CreateOAuth2Token",
                source="signin",
                additionalEventData={"success": "true"},
            ),
            call(user("bob", key("cli"), **made(0)), seconds=80),
        ],
        {},
        "aws_login",
        "CreateOAuth2Token",
        [BOB],
    ),
    Case(
        "cross-account AssumeRole, both copies at hand",
        [
            *across(
                user("bob", key("old", "AKIA"), account=SECURITY), "Audit", "bob", seconds=0,
                access_key=key("x"), account=PRODUCTION, shared="shared-1",
            ),
            call(role_session("Audit", "bob", access_key=key("x"))),
        ],
        {"session_name": "bob"},
        "cross_account",
        f"of account {SECURITY}",
        [BOB],
    ),
    Case(
        "cross-account AssumeRole by a principal whose account is not at hand",
        [
            across(
                {"principalId": "AIDAVENDOREXAMPLE", "accountId": VENDOR}, "Audit", "scan", seconds=0,
                access_key=key("x"), account=PRODUCTION, shared="shared-2",
            )[1],
            call(role_session("Audit", "scan", access_key=key("x"))),
        ],
        {"session_name": "scan"},
        "cross_account",
        f"of account {VENDOR}",
        [("external_principal", "AIDAVENDOREXAMPLE", "proven")],
    ),
    Case(
        "AssumeRole within the account",
        [
            assume(user("bob", key("old", "AKIA")), "Admin", "anything", access_key=key("chain")),
            call(role_session("Admin", "anything", access_key=key("chain"))),
        ],
        {"session_name": "anything"},
        "role_chain",
        "of the same account",
        [BOB],
    ),
    Case(
        "an instance's name on a session that a user issued",
        [
            assume(user("bob", key("old", "AKIA")), "Admin", INSTANCE, access_key=key("chain")),
            call(role_session("Admin", INSTANCE, access_key=key("chain"))),
        ],
        {"session_name": INSTANCE},
        "role_chain",
        "of the same account",
        [BOB],
    ),
    Case(
        "SourceIdentity",
        [call(role_session("Admin", "whatever", context={"sourceIdentity": "jane@company.com"}))],
        {},
        "unknown",
        "not at hand",
        [("unknown", "jane@company.com", "proven")],
    ),
    Case(
        "role session and nothing more",
        [call(role_session("Admin", "whatever"))],
        {},
        "unknown",
        "not at hand",
        [("unknown", "whatever", "claimed")],
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_method_reason_and_chain_are_told(case: Case) -> None:
    wanted = {name: value for name, value in case.session.items() if name != "created_is"}
    if case.session.get("created_is"):
        (session,) = (session for session in link_sessions(case.records) if session.created is not None)
    else:
        session = session_for(case.records, **wanted)
    assert session.method == case.method
    assert case.reason in session.reason
    assert steps(session) == case.chain
    assert session.strength == ("claimed" if any(link == "claimed" for *_, link in case.chain) else "proven")
    ids = {record["eventID"] for record in case.records}
    assert {one.event_id for one in (*session.evidence, *(i.evidence for i in session.identifiers))} <= ids


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_single_record_is_classified_with_a_reason(case: Case) -> None:
    for record in case.records:
        method, reason = classify(record)
        assert reason
        assert method != "unknown" or len(reason) > 20


@pytest.mark.parametrize(
    ("record", "method"),
    [
        pytest.param(CASES[0].records[0], "identity_center", id="sign-in"),
        pytest.param(call(user("bob", key("old", "AKIA"))), "iam_user_key", id="key"),
        pytest.param(
            call(role_session("web", INSTANCE, context={"ec2RoleDelivery": "2.0"})), "instance_profile", id="imds"
        ),
        pytest.param(console_login(user("bob")), "iam_user_console", id="console"),
        pytest.param(console_login({"type": "Root", "accountId": PRODUCTION}), "root", id="root"),
        pytest.param(
            console_login(role_session("A", "rob"), SamlProviderArn=provider("Okta")), "saml", id="saml console"
        ),
        pytest.param(call(role_session("A", "rob")), "unknown", id="role alone"),
        pytest.param(call(user("bob")), "unknown", id="user without a key"),
        pytest.param(
            call({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}),
            "unknown",
            id="anonymous",
        ),
    ],
)  # fmt: skip
def test_one_record_alone(record: Record, method: str) -> None:
    assert classify(record)[0] == method


MANGLED: list[tuple[str, Any]] = [
    ("missing", ...),
    ("null", None),
    ("text", "root"),
    ("list", []),
    ("empty", {}),
    ("no type", {"accountId": PRODUCTION}),
    ("context is text", user("bob", key("k")) | {"sessionContext": "none"}),
    ("attributes are text", user("bob", key("k")) | {"sessionContext": {"attributes": "x", "sessionIssuer": "y"}}),
    ("numbers", {"type": 7, "arn": 8, "principalId": 9, "accessKeyId": 10, "sessionContext": {"sourceIdentity": 3}}),
    ("empty strings", user("") | {"arn": "", "accessKeyId": "", "principalId": ""}),
    ("hidden user name", user("bob") | {"userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
    ("lone surrogate", user("bob") | {"principalId": "\ud800"}),
    ("strange creation date", role_session("A", "b", context={"attributes": {"creationDate": "soon"}})),
    ("far date", role_session("A", "b", context={"attributes": {"creationDate": "0001-01-01T00:00:00+14:00"}})),
    ("store is no ARN", user("bob") | {"onBehalfOf": {"userId": "u", "identityStoreArn": "d-9967000000"}}),
    ("behalf is text", user("bob") | {"onBehalfOf": "jane", "inScopeOf": 4}),
    ("web data is text", role_session("A", "b", context={"webIdFederationData": "x"})),
    ("lambda is text", role_session("A", "b", inScopeOf={"credentialsIssuedTo": 4, "issuerType": []})),
]  # fmt: skip


@pytest.mark.parametrize("name", ["AssumeRole", "ConsoleLogin", "GetSessionToken", "CreateAccessKey", "SwitchRole"])
@pytest.mark.parametrize("identity", [value for _, value in MANGLED], ids=[name for name, _ in MANGLED])
@pytest.mark.parametrize("other", [None, "text", [], {"credentials": "x", "assumedRoleUser": 3, "accessKey": "y"}])
def test_mangled_records_are_sessions_too(identity: Any, name: str, other: Any) -> None:
    source = {"ConsoleLogin": "signin", "SwitchRole": "signin", "CreateAccessKey": "iam"}.get(name, "sts")
    record = call(
        identity, name, source=source, requestParameters=other, responseElements=other, additionalEventData=other
    )
    assert classify(record)[1]
    (session,) = link_sessions([record])
    assert session.events == 1
    assert session.reason


def test_identity_center_user_is_named_with_id_and_name() -> None:
    session = session_for(CASES[2].records)
    (step,) = session.chain
    assert step.by == "onBehalfOf"
    assert step.arn == "arn:aws:identitystore:::user/93670000-a041-70f0-0000-111122223333"
    assert session.on_behalf_of is not None
    assert session.on_behalf_of.identity_store_arn == STORE
    assert identifiers(session) == {
        ("identity_center_user", "93670000-a041-70f0-0000-111122223333", "proven"),
        ("session_name", "jane@company.com", "proven"),
        ("email", "jane@company.com", "proven"),
    }


def test_identifiers_of_saml_and_their_strength() -> None:
    session = session_for(CASES[6].records, session_name="rob@company.com")
    assert identifiers(session) == {
        ("session_name", "rob@company.com", "claimed"),
        ("saml_subject", "00u-rob", "proven"),
        ("email", "rob@company.com", "claimed"),
        ("email", "robert@company.com", "proven"),
    }
    assert session.saml is not None
    assert (session.saml.name, session.saml.arn) == ("CompanyOkta", provider("CompanyOkta"))


def test_identifiers_of_an_iam_user() -> None:
    session = session_for([call(user("bob@company.com", key("old", "AKIA")))])
    assert {kind for kind, _, strength in identifiers(session) if strength == "proven"} == {
        "iam_user",
        "iam_user_name",
        "principal_id",
        "email",
    }


def test_a_name_typed_at_a_sign_in_that_matched_nobody_is_a_claim() -> None:
    nobody = {"type": "IdentityCenterUser", "accountId": SECURITY, "credentialId": "c-2"}
    failed = call(
        nobody, "CredentialVerification", serviceEventDetails={"CredentialVerification": "Failure"}, **SIGN_IN
    )
    session = session_for([failed])
    assert ("email", "jane@company.com", "claimed") in identifiers(session)
    assert (session.events, session.errors) == (1, 1)


def test_a_user_name_in_other_records_than_sign_ins_names_nobody() -> None:
    session = session_for([call(CENTER_USER, "Federate", source="sso", additionalEventData={"UserName": "eve"})])
    assert {kind for kind, _, _ in identifiers(session)} == {"identity_center_user"}


def test_provider_of_a_web_identity() -> None:
    session = session_for(CASES[9].records, session_name="GitHubActions")
    assert session.web_identity is not None
    assert session.web_identity.name == "token.actions.githubusercontent.com"
    assert session.web_identity.arn == GITHUB
    assert session.web_identity.subject == "repo:company/webshop:ref:refs/heads/main"


@pytest.mark.parametrize(
    ("results", "strength"),
    [
        (("Failure", "Failure"), "claimed"),
        (("Failure", "Success"), "proven"),
    ],
)
@pytest.mark.parametrize("identity", [user("bob"), {"type": "Root", "accountId": PRODUCTION}], ids=["user", "root"])
def test_who_only_failed_to_sign_in_proved_nothing(identity: Record, results: tuple[str, ...], strength: str) -> None:
    records = [
        console_login(identity, n) | {"responseElements": {"ConsoleLogin": result}} for n, result in enumerate(results)
    ]
    session = session_for(records)
    assert session.strength == strength
    assert {one.strength for one in session.identifiers} <= {strength}


@pytest.mark.parametrize(
    ("records", "mfa"),
    [
        pytest.param([call(user("bob", key("t"), **made(0, "true")))], True, id="session token with MFA"),
        pytest.param([call(user("bob", key("t"), **made(0, "false")))], False, id="session token without"),
        pytest.param([call(user("bob", key("old", "AKIA")))], None, id="a key does not tell"),
        pytest.param([call(sso("one"))], None, id="Identity Center's MFA is not AWS's"),
        pytest.param([console_login(user("bob")), call(user("bob", key("t"), **made(0)))], True, id="MFAUsed"),
    ],
)
def test_mfa(records: list[Record], mfa: bool | None) -> None:
    (session,) = (session for session in link_sessions(records) if session.access_keys)
    assert session.mfa is mfa


def test_calls_by_services_leave_no_address_and_keep_the_method() -> None:
    session = session_for(
        [
            call(sso("one")),
            call(sso("one") | {"invokedBy": "athena.amazonaws.com"}, ip="athena.amazonaws.com"),
            call(sso("one"), ip="AWS Internal"),
            call(sso("one"), ip="2001:db8::7"),
        ]
    )
    assert session.source_ips == ("192.0.2.10", "2001:db8::7")
    assert session.method == "identity_center"
    assert session.events == 4


def test_who_made_a_long_lived_key_is_evidence_not_issuer() -> None:
    new = key("new", "AKIA")
    created = call(
        user("carol", key("c", "AKIA")),
        "CreateAccessKey",
        source="iam",
        requestParameters={"userName": "bob"},
        responseElements={"accessKey": {"accessKeyId": new, "userName": "bob", "status": "Active"}},
        event_id="made-it",
    )
    session = session_for([created, call(user("bob", new))], access_keys=(new,))
    assert session.issuer is None
    assert steps(session) == [BOB]
    assert ("made-it", "responseElements.accessKey.accessKeyId", new) in {
        (one.event_id, one.field, one.value) for one in session.evidence
    }


def test_a_failed_issuance_issued_nothing() -> None:
    failed = assume(user("bob", key("old", "AKIA")), "Admin", "x", access_key=key("n")) | {"errorCode": "AccessDenied"}
    session = session_for([failed, call(role_session("Admin", "x", access_key=key("n")))], session_name="x")
    assert session.issuer is None
    assert session.method == "unknown"


def test_reserved_role_of_assumed_has_its_arn() -> None:
    session = session_for([call(sso("one"))])
    assert session.role_arn == f"arn:aws:iam::{PRODUCTION}:role/{SSO_PATH}{RESERVED}"
    assert session.created is not None
    assert at(0) == session.created.isoformat().replace("+00:00", "Z")
    assert assumed("A", "b", None)["assumedRoleUser"]["assumedRoleId"] == f"{role_id('A')}:b"
