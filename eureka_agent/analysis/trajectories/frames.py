"""Pictures of recorded episodes: for people, and for the model that looks at what policies do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from eureka_agent.analysis.bank import BROKEN, Record
from eureka_agent.analysis.trajectories.excerpt import Excerpt
from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import Environment, Episodes, pools
from eureka_agent.store import Run
from eureka_agent.store.folder import EPISODES_FILE
from eureka_agent.views.films import PICTURE

if TYPE_CHECKING:
    from eureka_agent.video.contact_sheet import Strip

SHEET = "frames.png"
"""Frames of a candidate's episodes, in its folder."""


def pictures(
    run: Run,
    environment: Environment,
    seed: int,
    excerpts: Mapping[int, Excerpt],
    records: Mapping[int, Sequence[Record]],
) -> dict[int, bytes]:
    """Draw what excerpts show; without pictures the search goes on, and an event says why.

    Args:
        run: in whose candidates' folders the pictures stay.
        environment: the task.
        seed: of the search.
        excerpts: by the candidate's number.
        records: likewise, in the order of the recordings that the excerpt is of.

    Returns:
        PNG files by number.
    """
    from eureka_agent.video.contact_sheet import Order, have_drawn  # not needed by most searches

    paths = {number: run.candidate_folder(number) / SHEET for number in excerpts}
    sheets = [(paths[n].resolve(), _strips(excerpts[n], records[n])) for n in excerpts]
    try:
        have_drawn(Order(environment.source, pools.RANKING, seed, sheets))
    except EurekaError as error:
        run.event("frames", f"no frames of episodes: {error}")
    return {number: path.read_bytes() for number, path in paths.items() if path.is_file()}


def picture_winner(run: Run, environment: Environment, seed: int) -> None:
    """Draw an episode of the winner's policy, once; without a picture an event says why."""
    from eureka_agent.video.contact_sheet import Order, Strip, frames_of, have_drawn

    number = run.row().best_candidate
    if number is None:
        return
    folder = run.candidate_folder(number)
    path, recorded = (folder / PICTURE).resolve(), folder / EPISODES_FILE
    if path.is_file() or not recorded.is_file():
        return
    try:
        with np.load(recorded, allow_pickle=False) as arrays:
            episodes = Episodes.from_arrays(dict(arrays))
        ended = bool(episodes.terminated[0])
        steps = frames_of(range(int(episodes.lengths[0])), ended)
        strip = Strip(f"The policy of candidate {number}", episodes, 0, steps)
        have_drawn(Order(environment.source, pools.RANKING, seed, [(path, [strip])]))
    except (EurekaError, *BROKEN) as error:
        run.event("picture", f"no picture of the winner's policy: {error}", number)


def _strips(excerpt: Excerpt, records: Sequence[Record]) -> list["Strip"]:
    """The rows of a sheet: the episodes that the excerpt shows, at some of its steps."""
    from eureka_agent.video.contact_sheet import Strip, frames_of

    places = [(record, e) for record in records for e in range(len(record.seen.fitness))]
    strips = []
    for number, shown in enumerate(excerpt.shown, 1):
        record, episode = places[shown.episode]
        title = f"Episode {number}: {shown.label}"
        ended = bool(record.episodes.terminated[episode])
        strips.append(Strip(title, record.episodes, episode, frames_of(shown.steps, ended)))
    return strips
