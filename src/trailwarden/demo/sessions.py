"""How people get their credentials, and what CloudTrail records of it.

Every function returns the records of the issuance, and the caller that the session then is.
"""

import base64
from random import Random
from typing import Any

from .actions import new_uuid
from .issuance import Timed, assumed, role_identity, role_resource, seconds_of, user_identity
from .people import IamUser, Person
from .records import Caller, Single, instant, locale_time, session_key, single
from .roles import Role, saml_provider_name
from .scenario import Scenario

_SIGN_IN_AGENT = "AWS Signin, aws-internal/3 aws-sdk-java/1.12.792 Linux/5.10.244 OpenJDK_64-Bit_Server_VM/25.462"
_PORTAL_AGENT = (
    "aws-sdk-java/2.46.14 md/io#sync md/http#Apache md/internal ua/2.1 api/STS#2.46.x os/Linux#5.10.244 "
    "lang/java#17.0.19 m/E,N,AJ"
)
_PORTAL_IP = "192.0.2.250"


def on_behalf_of(scenario: Scenario, person: Person) -> dict[str, str]:
    """The Identity Center user that a session acts for."""
    return {"userId": person.user_id, "identityStoreArn": scenario.identity_store_arn}


def sign_in(
    scenario: Scenario, person: Person, at: int, random: Random, *, ip: str, agent: str, mfa: bool
) -> list[Timed]:
    """The records of a sign-in at the access portal: challenges, verifications, and the authentication."""
    workflow = new_uuid(random)
    identity = {
        "type": "IdentityCenterUser",
        "accountId": scenario.management.id,
        "onBehalfOf": on_behalf_of(scenario, person),
        "credentialId": new_uuid(random),
    }

    def event(name: str, credential: str, **additional: str) -> Single:
        return single(
            identity=identity,
            source="signin",
            name=name,
            account_id=scenario.management.id,
            region=scenario.sso_region,
            ip=ip,
            agent=agent,
            additional={"AuthWorkflowID": workflow, "CredentialType": credential, **additional},
            details={name: "Success"},
            event_type="AwsServiceEvent",
        )

    records = [
        Timed(at, event("CredentialChallenge", "PASSWORD")),
        Timed(at + 9, event("CredentialVerification", "PASSWORD", UserName=person.email)),
    ]
    if mfa:
        records += [
            Timed(at + 9, event("CredentialChallenge", "TOTP")),
            Timed(at + 21, event("CredentialVerification", "TOTP", UserName=person.email)),
        ]
    done = event(
        "UserAuthentication", "PASSWORD,TOTP" if mfa else "PASSWORD", LoginTo=scenario.start_url, UserName=person.email
    )
    return [*records, Timed(records[-1].seconds + 1, done)]


def identity_center_session(
    scenario: Scenario,
    person: Person,
    role: Role,
    at: int,
    random: Random,
    *,
    ip: str,
    agent: str,
    console: bool,
    region: str,
    read_only: bool = False,
) -> tuple[list[Timed], Caller]:
    """A session of a reserved role, taken from the portal: for the console, or by GetRoleCredentials for a client."""
    issued = session_key(random)
    behalf = on_behalf_of(scenario, person)
    token = {
        "type": "IdentityCenterUser",
        "accountId": scenario.management.id,
        "onBehalfOf": behalf,
        "credentialId": new_uuid(random),
    }
    permission_set = role.name.split("_")[1]
    portal = single(
        identity=token,
        source="sso",
        name="Federate" if console else "GetRoleCredentials",
        account_id=scenario.management.id,
        region=scenario.sso_region,
        ip=ip,
        agent=agent,
        details={"role_name": permission_set, "account_id": role.account_id},
        read=not console,
        event_type="AwsServiceEvent",
    )
    qualifier = base64.b64encode(f"demo{role.account_id}".encode()).decode()
    provider = f"arn:aws:iam::{role.account_id}:saml-provider/{saml_provider_name(scenario.seed, role.account_id)}"
    issuer = base64.b64encode(f"{scenario.management.id}_{scenario.instance_arn[-16:]}".encode()).decode()
    issuance = single(
        identity={
            "type": "SAMLUser",
            "principalId": f"{qualifier}:{person.email}",
            "userName": person.email,
            "identityProvider": qualifier,
        },
        source="sts",
        name="AssumeRoleWithSAML",
        account_id=role.account_id,
        region=scenario.sso_region,
        ip=ip if console else _PORTAL_IP,
        agent=_SIGN_IN_AGENT if console else _PORTAL_AGENT,
        request={
            "sAMLAssertionID": f"_{new_uuid(random)}",
            "roleSessionName": person.email,
            "roleArn": role.arn,
            "principalArn": provider,
            "durationSeconds": 28800,
        },
        response={
            **assumed(role, person.email, issued, at, 8),
            "subject": person.email,
            "subjectType": "persistent",
            "issuer": f"https://portal.sso.{scenario.sso_region}.amazonaws.com/saml/assertion/{issuer}",
            "audience": "https://signin.aws.amazon.com/saml",
            "nameQualifier": qualifier,
        },
        additional={"RequestDetails": {"endpointType": "regional", "awsServingRegion": scenario.sso_region}},
        resources=[
            role_resource(role),
            {"accountId": role.account_id, "type": "AWS::IAM::SAMLProvider", "ARN": provider},
        ],
        read=True,
        host=f"sts.{scenario.sso_region}.amazonaws.com",
    )
    records = [Timed(at, portal), Timed(at, issuance)]
    keys = [session_key(random) for _ in range(3)] if console else [issued] * 3
    identities = [role_identity(role, person.email, key=key, created=at, onBehalfOf=behalf) for key in keys]
    identities.append(role_identity(role, person.email, key=keys[0], created=at))
    if console:
        login = role_identity(role, person.email, key=issued, created=at)
        del login["accessKeyId"]
        records.append(Timed(at + 1, console_login(login, role.account_id, region, ip, agent, mfa="No")))
    caller = Caller(
        *identities,
        arn=role.session_arn(person.email),
        account_id=role.account_id,
        region=region,
        ip=ip,
        agent=agent,
        console=console,
        read_only=read_only,
    )
    return records, caller


def console_login(
    identity: dict[str, Any],
    account_id: str,
    region: str,
    ip: str,
    agent: str,
    *,
    mfa: str,
    saml_provider: str = "",
    event_id: str = "<event>",
) -> Single:
    """A ConsoleLogin. ``mfa`` is Yes or No, as MFAUsed says it."""
    additional = {"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": mfa}
    if saml_provider:
        additional["SamlProviderArn"] = saml_provider
    return single(
        identity=identity,
        source="signin",
        name="ConsoleLogin",
        account_id=account_id,
        region=region,
        ip=ip,
        agent=agent,
        response={"ConsoleLogin": "Success"},
        additional=additional,
        event_type="AwsConsoleSignIn",
        event_id=event_id,
        host=f"{region}.signin.aws.amazon.com",
    )


def command_line_login(
    scenario: Scenario, person: Person, role: Role, at: int, random: Random, *, ip: str, region: str
) -> tuple[list[Timed], Caller]:
    """``aws login``: the browser's session authorizes a client, which gets keys that name the sign-in session."""
    records, _ = identity_center_session(
        scenario, person, role, at, random, ip=ip, agent=person.browser, console=True, region=region
    )
    behalf = on_behalf_of(scenario, person)
    browser = role_identity(role, person.email, key=session_key(random), created=at, onBehalfOf=behalf)
    key, session = session_key(random), f"arn:aws:signin:{region}:{role.account_id}:session/{new_uuid(random)}"
    client = f"arn:aws:signin:::devtools/same-device-{role.account_id}"
    host = f"{region}.signin.aws.amazon.com"
    authorize = single(
        identity=browser,
        source="signin",
        name="AuthorizeOAuth2Access",
        account_id=role.account_id,
        region=region,
        ip=ip,
        agent=person.browser,
        request={"client_id": client, "code_challenge_method": "SHA-256", "response_type": "code", "scope": "openid"},
        additional={"success": "true", "x-amzn-vpce-id": ""},
        event_type="AwsApiCall",
        host=host,
    )
    create = single(
        identity=browser | {"accessKeyId": key},
        source="signin",
        name="CreateOAuth2Token",
        account_id=role.account_id,
        region=region,
        ip=ip,
        agent=person.command_line,
        request={"client_id": client, "grant_type": "authorization_code"},
        additional={"success": "true", "signInSessionArn": session},
        host=host,
    )
    identity = role_identity(role, person.email, key=key, created=at, context={"signInSessionArn": session})
    caller = Caller(
        identity | {"onBehalfOf": behalf},
        identity,
        arn=role.session_arn(person.email),
        account_id=role.account_id,
        region=region,
        ip=ip,
        agent=person.command_line,
    )
    return [*records, Timed(at + 6, authorize), Timed(at + 8, create)], caller


def saml_session(
    person: Person, role: Role, at: int, random: Random, *, ip: str, region: str
) -> tuple[list[Timed], Caller]:
    """A console session by SAML federation from the company's own identity provider, with a source identity."""
    provider = f"arn:aws:iam::{role.account_id}:saml-provider/CompanyOkta"
    qualifier = base64.b64encode(b"company-okta-demo-000").decode()
    issued = session_key(random)
    issuance = single(
        identity={
            "type": "SAMLUser",
            "principalId": f"{qualifier}:{person.email}",
            "userName": person.email,
            "identityProvider": qualifier,
        },
        source="sts",
        name="AssumeRoleWithSAML",
        account_id=role.account_id,
        region="us-east-1",
        ip=ip,
        agent=_SIGN_IN_AGENT,
        request={
            "sAMLAssertionID": f"id{random.getrandbits(64)}",
            "roleSessionName": person.email,
            "roleArn": role.arn,
            "principalArn": provider,
            "durationSeconds": 14400,
            "sourceIdentity": person.email,
            "principalTags": {"email": person.email, "department": "analytics"},
        },
        response={
            **assumed(role, person.email, issued, at, 4),
            "subject": person.email,
            "subjectType": "emailAddress",
            "issuer": "https://idp.company.com/exkdemo0000000000001",
            "audience": "https://signin.aws.amazon.com/saml",
            "nameQualifier": qualifier,
            "sourceIdentity": person.email,
        },
        resources=[
            role_resource(role),
            {"accountId": role.account_id, "type": "AWS::IAM::SAMLProvider", "ARN": provider},
        ],
        read=True,
        host="signin.aws.amazon.com",
    )
    context = {"sourceIdentity": person.email}
    identities = [
        role_identity(role, person.email, key=session_key(random), created=at, context=context) for _ in range(3)
    ]
    login = role_identity(role, person.email, key=issued, created=at, context=context)
    del login["accessKeyId"]
    caller = Caller(
        *identities,
        arn=role.session_arn(person.email),
        account_id=role.account_id,
        region=region,
        ip=ip,
        agent=person.browser,
        console=True,
    )
    entered = console_login(login, role.account_id, region, ip, person.browser, mfa="No", saml_provider=provider)
    return [Timed(at, issuance), Timed(at + 1, entered)], caller


def iam_user_session(user: IamUser, at: int, random: Random, *, agent: str) -> tuple[list[Timed], Caller]:
    """Whatever an IAM user's credentials are used for: the console, the key itself, or tokens made with it."""
    records: list[Timed] = []
    key = user.keys[-1][0] if user.keys else ""
    created = {"creationDate": instant(at), "mfaAuthenticated": "true" if user.mfa else "false"}
    arn = user.arn
    sts: dict[str, Any] = {
        "source": "sts",
        "account_id": user.account_id,
        "region": "us-east-1",
        "ip": user.ip,
        "agent": user.agent,
    }
    match user.use:
        case "console":
            login = console_login(user_identity(user), user.account_id, "us-east-1", user.ip, agent, mfa="Yes")
            records.append(Timed(at, login))
            identities = [
                user_identity(user, session_key(random)) | {"sessionContext": {"attributes": created}} for _ in range(3)
            ]
        case "session_token":
            issued = session_key(random)
            serial = f"arn:aws:iam::{user.account_id}:mfa/{user.name}"
            token = single(
                identity=user_identity(user, key),
                name="GetSessionToken",
                request={"serialNumber": serial, "durationSeconds": 43200},
                response={"credentials": {"accessKeyId": issued, "expiration": locale_time(at + seconds_of(12))}},
                host="sts.amazonaws.com",
                **sts,
            )
            records.append(Timed(at, token))
            identities = [
                user_identity(user, issued) | {"sessionContext": {"sessionIssuer": {}, "attributes": created}}
            ]
        case "federation_token":
            issued, name = session_key(random), "dashboard"
            arn = f"arn:aws:sts::{user.account_id}:federated-user/{name}"
            federated = {"arn": arn, "federatedUserId": f"{user.account_id}:{name}"}
            token = single(
                identity=user_identity(user, key),
                name="GetFederationToken",
                request={"name": name, "durationSeconds": 14400},
                response={
                    "credentials": {"accessKeyId": issued, "expiration": locale_time(at + seconds_of(4))},
                    "federatedUser": federated,
                    "packedPolicySize": 6,
                },
                host="sts.amazonaws.com",
                **sts,
            )
            records.append(Timed(at, token))
            issuer = user_identity(user)
            identities = [
                {
                    "type": "FederatedUser",
                    "principalId": f"{user.account_id}:{name}",
                    "arn": arn,
                    "accountId": user.account_id,
                    "accessKeyId": issued,
                    "sessionContext": {"sessionIssuer": issuer, "attributes": created},
                }
            ]
        case _:
            identities = [user_identity(user, key)]
    caller = Caller(
        *identities,
        arn=arn,
        account_id=user.account_id,
        region=user.region,
        ip=user.ip,
        agent=agent if user.use == "console" else user.agent,
        console=user.use == "console",
    )
    return records, caller
