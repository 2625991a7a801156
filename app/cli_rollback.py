"""`timetracker rollback`: back to the database of before the last upgrade."""

import click

from app import clock, config
from app.services import rollback, serving
from app.services.rollback import Difference, Plan


@click.command("rollback")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback_command(yes: bool) -> None:
    """Return to the snapshot from before the last upgrade; the database as it is now is kept."""
    settings = config.load()
    with serving.refuse_while_serving(settings):
        plan = rollback.plan(settings)
        click.echo(_told(plan))
        if not yes:
            click.confirm("Roll back?", abort=True)
        kept = rollback.roll_back(settings, plan, clock.now())
    click.echo(f"Rolled back. The database as it was is kept as {kept}.")
    click.echo("Now install the version that ran before: this one migrates again as soon as it starts.")


def _told(plan: Plan) -> str:
    taken = f"{plan.snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"The database is at schema {plan.revision}; the snapshot of {taken} is at {plan.snapshot.revision}."]
    if not plan.differences:
        return f"{lines[0]}\nNothing was entered since."
    lines.append("Since then:")
    lines += [f"  {_counted(found)}" for found in plan.differences]
    if any(found.table == "stored_files" and found.removed for found in plan.differences):
        lines.append("Files removed since do not come back: `timetracker doctor` names them then.")
    return "\n".join(lines)


def _counted(found: Difference) -> str:
    numbers = [(found.added, "added"), (found.changed, "changed"), (found.removed, "removed")]
    return f"{found.table.replace('_', ' ')}: {', '.join(f'{count} {what}' for count, what in numbers if count)}"
