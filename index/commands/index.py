"""The group `emotionrank index`: which commands it has."""

import typer

from index.commands import build, copying, facets, upkeep

index = typer.Typer(add_completion=False, help="Make and look after a library.", no_args_is_help=True)

index.command("build")(build.build)
index.command("info")(upkeep.info)
index.command("facets")(facets.facets)
index.command("verify")(upkeep.verify)
index.command("compact")(upkeep.compact)
index.command("rebuild")(upkeep.rebuild)
index.command("backup")(upkeep.backup)
index.command("copy")(copying.copy)
