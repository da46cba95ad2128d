"""Make the environment's image straight from the lock, have a builder start it, and give it its tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.docker.command import LAYOUT_FOLDER
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.environment.planned import planned_environment
from pixi_container.environment.publish import publish
from pixi_container.environment.shared_work import SharedWork
from pixi_container.environment.start_check import StartCheck
from pixi_container.image.dockerfile import PREPARING_CHECK, environment_check
from pixi_container.plan.base_plan import BASE_FOLDER
from pixi_container.plan.commands import environment_labels
from pixi_container.progress_display import progress_display
from pixi_container.registry.repository import ImageRepository, Registries
from pixi_container.request import credential_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixi_container.docker.engine import Engine
    from pixi_container.environment.environment_image import Published
    from pixi_container.environment.image_store import ImageStore
    from pixi_container.log import Log
    from pixi_container.plan.plan import Plan
    from pixi_container.progress_display import ProgressDisplay
    from pixi_container.registry.repository import ImageSource
    from pixi_container.request import Request


@dataclass(frozen=True)
class MadeEnvironment:
    """The digest of an environment's image, and warnings about it."""

    digest: str
    notes: tuple[str, ...] = ()


def make_environment(
    request: Request,
    plan: Plan,
    engine: Engine | None,
    work: Path,
    log: Log,
    base_digest: str = "",
    shared: Path | None = None,
) -> MadeEnvironment:
    """Return the image, which is published under every name or left in a folder below ``work``.

    ``base_digest`` is that of the base; empty if nothing is added to the runtime image. Without an ``engine``
    nothing starts the environment. ``shared`` is a private folder, there or not, of a step that makes several
    environments. Raises ``NotDirectError`` if only Pixi can install it, and ``UserError`` for a lock, a download,
    a registry or a check that fails. Then no tag has changed.
    """
    definition = plan.definition
    labels = environment_labels(definition, plan.labels)
    runtime = definition.bases.runtime
    below = base_digest or runtime.digest or runtime.tag
    shared_work = SharedWork(shared) if shared else None
    image = planned_environment(definition, request.inputs, labels, _auth_file(request, work), below)
    with Registries(credential_source(request)) as registries, progress_display(log) as display:
        check = _check(plan, request.inputs.workdir, engine, display)
        base: ImageSource = ImageRepository(registries, (plan.base and plan.base.image) or runtime)
        if plan.base and plan.base.kind == "folder":
            base = OciLayout(work / BASE_FOLDER)
        cache = ImageRepository(registries, request.layer_cache) if request.layer_cache else None

        def made_in(store: ImageStore, before: ImageRepository | None = None) -> Published:
            return publish(
                image,
                store,
                base,
                env=request.env,
                before=before,
                show=display.show,
                check=check,
                cache=cache,
                cache_writes=request.may_push,
                shared=shared_work,
            )

        if plan.environment_tags:
            first, *others = (ImageRepository(registries, name) for name in request.names)
            published = made_in(first)
            for other in others:
                made_in(other, before=first)
        else:
            published = made_in(OciLayout(work / LAYOUT_FOLDER))
    for line in _told(published):
        log.say(line)
    return MadeEnvironment(published.digest, tuple(_notes_on(published)))


def _check(plan: Plan, workdir: str, engine: Engine | None, display: ProgressDisplay) -> StartCheck | None:
    """Return how the engine starts the environments."""
    command, preparing = plan.commands.check_environment, plan.commands.prepare_check
    if engine is None or command is None or preparing is None:
        return None
    workspace = plan.definition.workspace
    place = workspace.place(workdir)
    names = [each.environment for each in workspace.more]

    def check(digest: str) -> None:
        display.clear()
        engine.check_environment(command.on_environment(digest), environment_check(place, names))

    return StartCheck(check, lambda: engine.preparing(preparing, PREPARING_CHECK))


def _told(published: Published) -> Iterator[str]:
    """Yield lines about what it took."""
    progress = published.progress
    yield (
        f"{published.layers} layers, {len(published.made)} of them new; {progress.downloaded / 1e6:.1f} MB "
        f"downloaded, {progress.uploaded / 1e6:.1f} MB uploaded"
    )
    if published.checked_by and not published.checked_now:
        yield f"not started again: {published.checked_by} was, with the same base, Python and activation"


def _notes_on(published: Published) -> Iterator[str]:
    yield from published.notes
    if not published.checked_by:
        yield "the environment was not started, because nothing runs here that could start it"
    if published.not_run:
        yield (
            f"not run: the post-link scripts of {', '.join(published.not_run)}. If these packages need them, run "
            "'pixi config set --local run-post-link-scripts insecure' and commit .pixi/config.toml"
        )


def _auth_file(request: Request, work: Path) -> Path | None:
    """Return the file with this run's credentials for channels; without any where the code may be untrusted."""
    if request.inputs.conda_auth:
        return work / "conda-auth"
    if request.event.may_use_credentials:
        return None
    file = work / "no-conda-auth"
    file.write_text("{}")
    return file
