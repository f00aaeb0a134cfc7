"""People on the command line: passwords and authenticator apps, and who it is that decides at this terminal.

Passwords and codes are asked for without showing them, and are never arguments: those stand in the shell's history.
"""

import os
import sys
from typing import TYPE_CHECKING

import click

from ..access import FIRST_ROLES, Person
from ..errors import NotAuthenticated, UsageError
from ..model.proposal import Actor
from ..respond.approval import Session
from ..settings import this_os_user
from .cli_common import ToolGroup, opened

if TYPE_CHECKING:
    from ..installation import Installation
    from ..state.people import TotpEnrolment

#: The terminal that a process was started from, whatever its input and output are.
_TERMINAL = "/dev/tty"


def authenticate_on_terminal(app: "Installation") -> Session:
    """Ask whoever sits at this terminal who they are: login, password, and the code of their app if they have one.

    As long as nobody is kept as a person, it is the user of the operating system who owns the home folder, who has
    shown who they are to the operating system.

    Raises:
        NotAuthenticated: no terminal, a login that is not right, or nobody who could be asked for.
        LoginLimited: too many logins failed.
    """
    from ..state.logins import Attempt, SecondFactorNeeded  # noqa: PLC0415

    check_terminal()
    owner = app.state.people.single_user()
    if owner is not None:
        return _single_user(app, owner)
    if not app.state.people.list():
        raise NotAuthenticated(
            "nobody may decide in this installation: it has no people, and its database is shared",
            remedy="`trailwarden people add LOGIN --role admin` and `people password LOGIN` make the first one",
        )
    login = click.prompt("Login", default=terminal_actor(app).name, err=True)
    password = click.prompt("Password", hide_input=True, err=True)
    found = app.state.logins.authenticate(login, password, attempt=Attempt(face="command_line", now=app.now()))
    if isinstance(found, SecondFactorNeeded):
        if "totp" not in found.methods:
            raise NotAuthenticated(
                "this login needs a security key, which a terminal cannot ask", remedy="decide in the console"
            )
        code = click.prompt("Code of the authenticator app", hide_input=True, err=True)
        found = app.state.logins.answer(found.step, code, attempt=Attempt(face="command_line", now=app.now()))
    return _session(found, app)


def terminal_actor(app: "Installation", *, proposes: bool = False) -> Actor:
    """Who uses this command line: the person that this user of the operating system is linked with, else the user.

    It goes by the process's own user: the environment, which says what one likes, is not asked. Where there are
    people, whoever ``proposes`` must be one of them, so that nobody approves under one name what they proposed under
    another.

    Raises:
        NotAuthenticated: they propose, and are linked with nobody, or with a disabled person.
    """
    user = this_os_user()
    person = app.state.people.of_os_user(user)
    if proposes and app.state.people.list() and (person is None or person.disabled):
        raise NotAuthenticated(
            f"it is not known which person {user} is, so that {user} cannot propose here",
            remedy=f"`trailwarden people link LOGIN --os-user {user}` says so, or propose in the console",
        )
    return Actor(kind="person", name=person.login if person is not None else user, via="command_line")


def act_as_terminal(app: "Installation", *, proposes: bool) -> None:
    """Let ``app`` act as whoever uses this command line; who is not known as a person proposes nothing, by no command.

    Raises:
        NotAuthenticated: the command itself ``proposes``.
    """
    try:
        app.actor = terminal_actor(app, proposes=True)
    except NotAuthenticated:
        if proposes:
            raise
        app.actor, app.may_propose = terminal_actor(app), False


def check_terminal() -> None:
    """Let pass a process that a person at a terminal can answer.

    Raises:
        NotAuthenticated: standard input is a pipe or a file, or the process has no terminal.
    """
    no_terminal = NotAuthenticated(
        "a decision is made by a person at a terminal, and there is none here",
        remedy="run the command in a terminal, without redirecting its input, or decide in the console",
    )
    if not sys.stdin.isatty():
        raise no_terminal
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        raise no_terminal from error


def _single_user(app: "Installation", owner: str) -> Session:
    if os.getuid() != app.home.stat().st_uid:
        raise NotAuthenticated(
            f"this is the installation of {owner}, and {this_os_user()} is somebody else",
            remedy=f"let {owner} decide, or add people with `trailwarden people add`",
        )
    return Session(
        person=owner,
        roles=frozenset(FIRST_ROLES),
        authenticated_at=app.now(),
        method="interactive",
        face="command_line",
    )


def _session(person: Person, app: "Installation") -> Session:
    return Session(
        person=person.login,
        roles=frozenset(person.roles),
        authenticated_at=app.now(),
        method="interactive",
        face="command_line",
    )


@click.command()
@click.argument("login", metavar="LOGIN")
@click.option("--stdin", is_flag=True, help="Read the password from the first line of standard input")
def password(login: str, stdin: bool) -> None:
    """Set a person's password, which ends their sessions.

    At least 12 characters; a few words do well.
    """
    with opened() as app:
        person = app.state.people.get(login)
        if stdin:
            given = sys.stdin.readline().rstrip("\r\n")
        else:
            given = click.prompt(
                f"New password of {person.login}", hide_input=True, confirmation_prompt="The same again", err=True
            )
        app.state.people.set_password(person.login, given, by=terminal_actor(app), now=app.now())
        click.echo(f"{person.login} signs in with this password from now on; sessions that there were have ended.")


@click.command("password-link")
@click.argument("login", metavar="LOGIN")
@click.option("--public-url", metavar="URL", help="Address of the console, if config.toml does not say it")
def password_link(login: str, public_url: str | None) -> None:
    """Make a link by which a person sets their password.

    It is good once, for a day, and signs nobody in; another link for them makes it void. It ends their
    sessions.
    """
    import msgspec  # noqa: PLC0415

    from .serve import listening  # noqa: PLC0415

    with opened() as app:
        console = app.settings.console
        if public_url is not None:
            console = msgspec.structs.replace(console, public_url=public_url)
        base_url = listening(console).origins[0]
        made = app.state.people.password_link(login, by=terminal_actor(app), now=app.now())
        until = made.expires.astimezone(app.zone)
        click.echo(
            f"Give this to {made.login}: it sets their password, once, until {until:%Y-%m-%d %H:%M %Z}.", err=True
        )
        click.echo(made.address(base_url))


@click.command()
@click.argument("login", metavar="LOGIN")
@click.option("--remove", is_flag=True, help="Ask for no code any more, as when the device is lost")
def totp(login: str, remove: bool) -> None:
    """Ask a person for the code of an authenticator app at each login.

    Shows a QR code for the app, and keeps it once the app has shown its first code.
    """
    with opened() as app:
        people = app.state.people
        person = people.get(login)
        if remove:
            people.remove_totp(person.login, by=terminal_actor(app), now=app.now())
            click.echo(f"{person.login} signs in without a code; sessions that there were have ended.")
            return
        check_terminal()
        enrolment = people.new_totp(person.login)
        _show(enrolment)
        _confirm(app, person, enrolment)
        click.echo(f"{person.login} is asked for a code at each login from now on.")


def _show(enrolment: "TotpEnrolment") -> None:
    import segno  # noqa: PLC0415

    segno.make(enrolment.uri, micro=False).terminal(out=sys.stderr, compact=True)
    click.echo(f"Scan it with the app, or type {enrolment.secret} there.", err=True)


def _confirm(app: "Installation", person: Person, enrolment: "TotpEnrolment") -> None:
    """Three codes may be mistyped; then it is given up, and nothing is kept."""
    for left in (2, 1, 0):
        code = click.prompt("Code that the app shows", err=True)
        try:
            app.state.people.set_totp(person.login, enrolment.secret, code, by=terminal_actor(app), now=app.now())
        except UsageError as error:
            if not left:
                raise
            click.echo(f"{error.message}: {error.remedy}", err=True)
        else:
            return


def add_commands(people: ToolGroup) -> None:
    """Add the commands that ask for passwords and codes to the group ``people``."""
    people.add_command(password)
    people.add_command(password_link)
    people.add_command(totp)
