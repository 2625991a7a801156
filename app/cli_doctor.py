"""`timetracker doctor`: what is wrong, why it matters, what mends it."""

import json
import sys

import click

from app import clock, config
from app.config import Settings
from app.errors import CannotStart
from app.services import doctor
from app.services.doctor import Finding, Severity

COULD_NOT_LOOK = 2


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print findings as JSON.")
@click.option("--fix", is_flag=True, help="Mend first what can be mended without losing anything.")
def doctor_command(as_json: bool, fix: bool) -> None:
    """Look at folders, database, every stored file and settings, and say what is wrong and what mends it."""
    settings = config.load()
    try:
        if fix:
            _mend(settings)
        findings = doctor.examine(settings, thorough=True)
    except OSError as error:
        click.echo(f"timetracker: The doctor could not look: {error}.", err=True)
        sys.exit(COULD_NOT_LOOK)
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        _tell(findings)
    sys.exit(1 if doctor.has_errors(findings) else 0)


def _mend(settings: Settings) -> None:
    try:
        for sentence in doctor.mend(settings, clock.now()):
            click.echo(f"mended: {sentence}", err=True)
    except (CannotStart, OSError) as error:
        click.echo(f"not mended: {error}", err=True)


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        click.echo(f"{finding.severity}: {finding.what} {finding.mend}".rstrip())
        for name in finding.names:
            click.echo(f"  {name}")
        if finding.severity is not Severity.OK:
            click.echo(f"  {finding.why} (docs/operate/trouble.md#{finding.code})".replace("   (", "  ("))
    click.echo("No errors found." if not doctor.has_errors(findings) else "There are errors.")
