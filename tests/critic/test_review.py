"""A review sends back, delays and is measured; it rejects no program."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from loopback import Loopback, Received
from recorded import judged, reference_bank, roamed
from sledge import paying, policy, sledge

from eureka_agent.analysis.rewards.bank import Bank, Entry, Record
from eureka_agent.critic.critic import Critic, Screening
from eureka_agent.critic.review import Review, reward_table
from eureka_agent.critic.reviewer import Reviewer
from eureka_agent.designer.base import DECLINED_RULE, Proposal, RepairRequest
from eureka_agent.environment import Environment, Episodes
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.environment.scripted_policies import SCRIPTED_POLICIES
from eureka_agent.llm import Client, ModelSettings
from eureka_agent.llm.budget import Budget
from eureka_agent.llm.conversation import Conversation
from eureka_agent.reward import Finding
from eureka_agent.store import Run
from eureka_agent.workers.probe_client import ProbeClient

POINT = "A policy would stand still."


RIGHT, STILL, FAST = paying("place"), paying("-action[:, 0].square()"), paying("speed")
BROKEN = paying("nonsense")


class Author:
    """Answers each request for a repair by a function, and remembers the requests."""

    name = "author"

    def __init__(self, rewrite: Callable[[RepairRequest], str | None]) -> None:
        self._rewrite = rewrite
        self.told: list[RepairRequest] = []

    def propose(self, generation: int, count: int, past: object) -> list[Proposal]:
        return []

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        self.told += broken
        texts = [self._rewrite(b) for b in broken]
        return [None if text is None else Proposal(text, (), "fixed") for text in texts]


class Opinions:
    """A model that objects to programs which hold one of some texts."""

    def __init__(self, *disliked: str) -> None:
        self._disliked, self._lock = disliked, threading.Lock()
        self.asked: list[str] = []

    def __call__(self, received: Received) -> str:
        text = received.messages[1]["content"]
        with self._lock:
            self.asked.append(text)
        shown = text[text.index("# The program to review") :]
        bad = any(one.split("\n")[4] in shown for one in self._disliked)
        points = [POINT] if bad else []
        verdict = {"blocking": points, "advice": [], "passed": not bad, "confidence": 0.9}
        return json.dumps(verdict)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return sledge(tmp_path_factory.mktemp("environments") / "sledge", strength=0.3)


@pytest.fixture(scope="module")
def prober(environment: Environment) -> Iterator[ProbeClient]:
    with ProbeClient(environment, deadline_s=5.0) as prober:
        yield prober


@pytest.fixture(scope="module")
def bank(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("run") / "bank"
    bank = reference_bank(folder, roamed(environment, *SCRIPTED_POLICIES))
    (seen,) = judged(environment, [policy(environment, 1, 1.0)])
    bank.add(Record(Entry("7", 100, "shipped", 0, 7), seen))
    return bank


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path, "sledge", goal="Go.", seed=0, config={}) as run:
        yield run


@pytest.fixture
def critic(
    environment: Environment, prober: ProbeClient, bank: Bank, run: Run
) -> Iterator[Callable[..., Critic]]:
    """Makes critics whose reviewer is a scripted model."""
    servers: list[Loopback] = []

    def make(
        author: Author, opinions: Opinions, rounds: int = 1, repairs: int = 0, max_tokens: int = 0
    ) -> Critic:
        server = Loopback(opinions)
        servers.append(server.__enter__())
        settings = ModelSettings(model="any", base_url=server.url, attempts=1)
        conversation = Conversation(
            lambda: Client(settings), run, Budget(run, max_tokens=max_tokens)
        )
        reviewer = Reviewer(environment.describe(), conversation)
        review = Review(run, environment, reviewer, bank, prober, rounds)
        screening = Screening(review=review)
        return Critic(run, environment, author, prober, repairs, screening)

    yield make
    for server in servers:
        server.__exit__(None, None, None)


def nothing(broken: RepairRequest) -> None:
    """An author who stands by its program."""


def enter(run: Run, *texts: str, parents: Sequence[int] = ()) -> list[int]:
    candidates = [
        run.add_candidate(0, slot, text, designer="author", parents=parents)
        for slot, text in enumerate(texts)
    ]
    return [row.id for row in candidates]


def rules(run: Run, candidate: int) -> list[str]:
    return [finding["rule"] for finding in run.candidate(candidate).verdict]


def test_an_objection_goes_to_the_author_and_the_last_version_trains(
    run: Run, critic: Callable[..., Critic]
) -> None:
    author, opinions = Author(lambda broken: FAST), Opinions(STILL)
    enter(run, STILL)
    (row,) = critic(author, opinions).verify(run.candidates())
    assert (row.text, row.state) == (FAST, "accepted")
    assert rules(run, row.id) == ["review-passed"]
    assert [[f.message for f in told.findings] for told in author.told] == [[POINT]]
    assert [draft.text for draft in run.drafts(row.id)] == [STILL]
    assert len(opinions.asked) == 2
    assert f"> {POINT}" in opinions.asked[1]


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_an_objection_that_remains_after_the_rounds_ranks_last_and_rejects_no_program(
    run: Run, critic: Callable[..., Critic], rounds: int
) -> None:
    versions = [paying(f"-{k}.0 * speed") for k in range(1, 9)]
    author = Author(lambda broken: versions[broken.attempt])
    doubtful, sound = enter(run, versions[0], RIGHT)
    rows = critic(author, Opinions(*versions), rounds).verify(run.candidates())
    assert [row.id for row in rows] == [sound, doubtful]
    assert rows[1].text == versions[rounds]
    assert rules(run, doubtful) == ["review"]
    assert [b.attempt for b in author.told] == list(range(1, rounds + 1))


@pytest.mark.parametrize("answer", [None, "", STILL, f"\n{STILL}"])
def test_an_author_who_stands_by_its_program_has_the_last_word(
    run: Run, critic: Callable[..., Critic], answer: str | None
) -> None:
    doubtful, sound = enter(run, STILL, RIGHT)
    opinions = Opinions(STILL)
    rows = critic(Author(lambda broken: answer), opinions, rounds=3).verify(run.candidates())
    assert [(row.id, row.text) for row in rows] == [(sound, RIGHT), (doubtful, STILL)]
    assert rules(run, doubtful) == ["review"]
    assert len(opinions.asked) == 2, "one look at each"


@pytest.mark.parametrize("repairs", [0, 2])
def test_a_rewrite_that_breaks_restores_the_version_before_it(
    run: Run, critic: Callable[..., Critic], repairs: int
) -> None:
    author = Author(lambda broken: BROKEN)
    enter(run, STILL)
    (row,) = critic(author, Opinions(STILL), repairs=repairs).verify(run.candidates())
    assert (row.text, row.state) == (STILL, "accepted")
    assert rules(run, row.id) == ["review"]
    assert len(author.told) == 1 + repairs
    assert (run.candidate_folder(row.id) / "reward.py").read_text() == STILL


def test_repairs_and_rounds_of_review_are_counted_apart(
    run: Run, critic: Callable[..., Critic]
) -> None:
    author = Author(lambda broken: {BROKEN: STILL, STILL: FAST}[broken.text])
    enter(run, BROKEN)
    (row,) = critic(author, Opinions(STILL), rounds=1, repairs=1).verify(run.candidates())
    assert (row.text, row.state) == (FAST, "accepted")
    assert [b.attempt for b in author.told] == [1, 2]


def test_a_program_whose_question_was_declined_fails_with_the_reason_at_once(
    run: Run, critic: Callable[..., Critic]
) -> None:
    why = Finding(DECLINED_RULE, "error", 1, 1, "A filter refused it.", "Word it differently.")
    run.add_candidate(0, 0, "", designer="author", findings=[why.as_dict()])
    run.add_candidate(0, 1, RIGHT, designer="author")
    author = Author(lambda broken: FAST)
    (sound,) = critic(author, Opinions(), repairs=3).verify(run.candidates())
    declined = run.candidates()[0]
    assert (sound.text, author.told) == (RIGHT, [])
    assert (declined.state, declined.failure) == ("rejected", "A filter refused it.")


def test_only_sound_programs_are_reviewed(run: Run, critic: Callable[..., Critic]) -> None:
    opinions = Opinions()
    right, broken, again = enter(run, RIGHT, BROKEN, RIGHT)
    rows = critic(Author(nothing), opinions).verify(run.candidates())
    assert [row.id for row in rows] == [right]
    assert len(opinions.asked) == 1
    assert {run.candidate(number).state for number in (broken, again)} == {"rejected"}


def test_a_program_without_a_review_trains_in_its_place(
    run: Run, critic: Callable[..., Critic]
) -> None:
    numbers = enter(run, STILL, RIGHT)
    rows = critic(Author(nothing), Opinions(STILL), max_tokens=10).verify(run.candidates())
    assert [row.id for row in rows] == numbers
    assert rules(run, numbers[0]) == []


def test_the_reviewer_sees_rewards_of_untrained_policies_and_of_the_parents(
    run: Run, critic: Callable[..., Critic]
) -> None:
    opinions = Opinions()
    enter(run, RIGHT, parents=(7,))
    critic(Author(nothing), opinions).verify(run.candidates())
    (asked,) = opinions.asked
    head = next(line for line in asked.split("\n") if "standing idle" in line and "|" in line)
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    assert {"random actions", "the policy of #7, from which it was made"} < set(columns)
    row = next(line for line in asked.split("\n") if line.startswith("| `all`"))
    assert row.count("|") == head.count("|")
    assert "fitness" not in asked


def test_a_search_that_was_killed_asks_nothing_again(
    run: Run, critic: Callable[..., Critic]
) -> None:
    def killed(broken: RepairRequest) -> None:
        raise KeyboardInterrupt

    enter(run, STILL, RIGHT)
    with pytest.raises(KeyboardInterrupt):
        critic(Author(killed), Opinions(STILL)).verify(run.candidates())
    opinions = Opinions()  # would pass everything
    rows = critic(Author(nothing), opinions).verify(run.candidates())
    assert [row.text for row in rows] == [RIGHT, STILL]
    assert opinions.asked == []


@pytest.mark.parametrize("killed", [False, True])
def test_where_more_were_written_than_train_the_doubtful_are_left_out(
    run: Run, critic: Callable[..., Critic], killed: bool
) -> None:
    doubtful, sound = enter(run, STILL, RIGHT)
    looking = critic(Author(nothing), Opinions(STILL))
    if killed:  # before any was left out
        looking.verify(run.candidates())
    for _ in range(2):  # the second time the search continues
        rows = looking.verify(run.candidates(), places=1)
        assert [row.id for row in rows] == [sound]
    left = run.candidate(doubtful)
    assert left.state == "rejected"
    assert left.failure == (
        "Left out: 1 of 2 sound programs train, and these looked better before any training."
    )
    assert rules(run, doubtful) == ["review"]
    assert [e.candidate_id for e in run.events() if e.kind == "rejected"] == [doubtful]


def test_candidates_in_training_are_not_left_out(run: Run, critic: Callable[..., Critic]) -> None:
    doubtful, _ = enter(run, STILL, RIGHT)
    looking = critic(Author(nothing), Opinions(STILL))
    looking.verify(run.candidates())
    run.set_candidate_state(doubtful, "training")
    assert [row.id for row in looking.verify(run.candidates(), places=1)] == [doubtful]


def test_hindsight_counts_reviewed_candidates_that_trained(
    run: Run,
    environment: Environment,
    bank: Bank,
    prober: ProbeClient,
    critic: Callable[..., Critic],
) -> None:
    conversation = Conversation(lambda: pytest.fail("nothing is asked"), run, Budget(run))
    reviewer = Reviewer(environment.describe(), conversation)
    review = Review(run, environment, reviewer, bank, prober, rounds=1)
    assert review.reviewer_precision() is None
    doubtful, sound, _ = enter(run, STILL, RIGHT, BROKEN)
    critic(Author(nothing), Opinions(STILL)).verify(run.candidates())
    assert review.reviewer_precision() is None, "nothing has trained yet"
    run.set_failure(doubtful, "it diverged")
    run.set_result(sound, fitness=1.0, own_return=1.0, checkpoint_step=1)
    found = review.reviewer_precision()
    assert found is not None
    assert (found.precision.hits, found.precision.of) == (1, 1)
    assert found.chance.of == 2, "the broken one was never reviewed"


def policy_rewards(
    label: str, components: dict[str, np.ndarray], lengths: np.ndarray
) -> EvaluatedEpisodes:
    """Episodes of one policy with weighted rewards `[L, E]` by component."""
    total = np.sum(list(components.values()), axis=0)
    steps, count = total.shape
    arrays = {
        "states": np.zeros((steps + 1, count, 0)),
        "actions": np.zeros((steps, count, 0)),
        "lengths": lengths,
        "terminated": lengths < steps,
    }
    return EvaluatedEpisodes(
        np.zeros(count),
        np.zeros(count, dtype=np.bool_),
        Episodes.from_arrays(arrays),
        labels=(label,) * count,
        reward=total,
        component_rewards=components,
    )


def cells(lines: list[str], row: int) -> list[str]:
    return [cell.strip() for cell in lines[row].strip("|").split("|")]


def test_the_reward_table_leaves_out_rows_beyond_an_end() -> None:
    forward = np.full((4, 2), 2.0)
    forward[2:, 0] = 99.0  # after the first episode's end
    components = {"forward": forward, "still": np.zeros((4, 2))}
    one = policy_rewards("standing idle", components, np.array([2, 4]))
    lines = reward_table({"forward": 2.0, "still": 0.0}, [one])
    assert cells(lines, 0) == ["", "standing idle"]
    assert cells(lines, 2) == ["`forward` (weight 2)", "2"]
    assert cells(lines, 3) == ["`still` (weight 0)", "0"]
    assert cells(lines, 4) == ["reward per step", "2"]
    assert cells(lines, 5) == ["reward per episode", "6 (4.2 to 7.8)"]
    assert cells(lines, 6) == ["steps per episode", "3"]
    assert cells(lines, 7) == ["episodes that end early", "50%"]


def test_the_reward_table_shows_next_to_nothing_as_nothing_and_no_number_as_none() -> None:
    components = {
        "all": np.array([[1.0, 1.0]]),
        "little": np.array([[1e-9, 2e-12]]),
        "broken": np.full((1, 2), np.nan),
    }
    whole = np.array([1, 1])
    sound = {name: components[name] for name in ("all", "little")}
    lines = reward_table({"all": 1.0, "little": 1.0}, [policy_rewards("swinging", sound, whole)])
    assert cells(lines, 3) == ["`little` (weight 1)", "0"]
    lines = reward_table(
        {"broken": 1.0}, [policy_rewards("swinging", {"broken": components["broken"]}, whole)]
    )
    assert cells(lines, 2) == ["`broken` (weight 1)", "-"]
    labels = [cells([line], 0)[0] for line in lines[2:]]
    assert labels == ["`broken` (weight 1)", "reward per step", "reward per episode"]


def test_without_episodes_there_is_no_reward_table() -> None:
    assert reward_table({"forward": 2.0}, []) == []
