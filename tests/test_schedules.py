"""Laws of the schedules: data that can be costed before anything is trained."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skdae import GradualDAETransformer
from skdae.schedules import (
    SCHEDULES,
    Hybrid,
    Phase,
    as_schedule,
    at_equal_updates,
    describe,
    fine_tuning,
    frozen,
    gradual,
    hybrid,
    joint,
    stacked,
    total_cost,
    total_epochs,
)

BY_LAYER = [name for name in SCHEDULES if name != "joint"]

names = st.sampled_from(sorted(SCHEDULES))
shares = st.floats(0, 1)


def schedule_of(name, options):
    """The named schedule with those of the options that it has."""
    own = SCHEDULES[name]().get_params()
    return SCHEDULES[name](**{k: v for k, v in options.items() if k in own})


@st.composite
def plans(draw, name=names):
    """A schedule with every option drawn, and what it was asked for."""
    n_layers = draw(st.integers(1, 5))
    options = {
        "stacked_fraction": draw(shares),
        "lower_layer_rate": draw(shares),
        "tuning_fraction": draw(st.floats(0, 0.5)),
        "epoch_allocation": draw(
            st.one_of(
                st.just("equal"),
                st.lists(st.floats(0.01, 10), min_size=n_layers, max_size=n_layers),
            )
        ),
    }
    max_iter = draw(st.integers(2 * n_layers + 2, 300))
    chosen = draw(name) if isinstance(name, st.SearchStrategy) else name
    plan = schedule_of(chosen, options).plan(n_layers, max_iter)
    return plan, n_layers, max_iter, options


# --- every schedule -----------------------------------------------------------------


@settings(deadline=None)
@given(plans())
def test_the_budget_is_spent_exactly(drawn):
    plan, _, max_iter, _ = drawn
    assert total_epochs(plan) == max_iter


@settings(deadline=None)
@given(plans())
def test_a_schedule_grows_layer_by_layer_to_the_top(drawn):
    plan, n_layers, _, options = drawn
    depths = [phase.depth for phase in plan]
    assert depths == sorted(depths)
    assert depths[-1] == n_layers
    is_joint = any(phase.kind == "joint" for phase in plan)
    assert set(depths) == ({n_layers} if is_joint else set(range(1, n_layers + 1)))
    assert all(phase.rates[-1] == 1 for phase in plan)


@settings(deadline=None)
@given(plans())
def test_tuning_trains_all_layers_last(drawn):
    plan, n_layers, max_iter, options = drawn
    tuning = [phase for phase in plan if phase.kind == "tuning"]
    if options["tuning_fraction"] == 0:
        assert tuning == []
        return
    (phase,) = tuning
    assert plan[-1] is phase
    assert phase.corrupt == "input"
    assert phase.rates == (1.0,) * n_layers
    wanted = max(1, options["tuning_fraction"] * max_iter)
    assert abs(phase.epochs - wanted) <= 0.5


@settings(deadline=None)
@given(plans(name="gradual"))
def test_stages_get_their_share_of_the_epochs(drawn):
    plan, n_layers, max_iter, options = drawn
    epochs = np.array([phase.epochs for phase in plan if phase.kind != "tuning"])
    allocation = options["epoch_allocation"]
    share = np.full(n_layers, 1.0) if allocation == "equal" else np.array(allocation)
    wanted = share / share.sum() * epochs.sum()
    assert (epochs >= 1).all()
    if (wanted >= 1).all():
        assert (np.abs(epochs - wanted) < 1).all()
    # who has the greater share never gets fewer epochs
    order = np.argsort(share, kind="stable")
    strictly = np.diff(share[order]) > 1e-6
    assert (np.diff(epochs[order])[strictly] >= 0).all()


@settings(deadline=None)
@given(plans(), st.sampled_from([n for n in SCHEDULES if n != "joint"]))
def test_automatic_shares_are_equal_ones_that_all_layers_but_the_last_pass_on(
    drawn, name
):
    _, n_layers, max_iter, options = drawn
    equal, found = (
        schedule_of(name, options | {"epoch_allocation": allocation}).plan(
            n_layers, max_iter
        )
        for allocation in ("equal", "auto")
    )
    assert found == tuple(
        replace(phase, passes_on=phase.depth < n_layers) for phase in equal
    )


@settings(deadline=None)
@given(plans())
def test_costs_add_up(drawn):
    plan, *_ = drawn
    by_hand = 0
    for phase in plan:
        for rate in phase.rates:
            by_hand += phase.epochs * (rate > 0)
    assert total_cost(plan) == by_hand
    assert total_cost(plan) == sum(phase.cost for phase in plan)


@settings(deadline=None)
@given(plans())
def test_the_table_for_people_shows_every_phase_and_the_totals(drawn):
    plan, *_ = drawn
    header, *lines, total = describe(plan).splitlines()
    assert header.split()[0] == "phase"
    assert len(lines) == len(plan)
    for number, (line, phase) in enumerate(zip(lines, plan, strict=True), 1):
        cells = line.split()
        assert cells[:4] == [str(number), phase.kind, str(phase.depth),
                             str(phase.epochs)]  # fmt: skip
        assert cells[-2:] == [phase.corrupt, str(phase.cost)]
    assert total.split() == ["total", str(total_epochs(plan)), str(total_cost(plan))]


@settings(deadline=None)
@given(names, st.integers(1, 5), st.integers(1, 9))
def test_too_few_epochs_are_an_error_and_enough_are_not(name, n_layers, max_iter):
    needed = 1 if name == "joint" else n_layers
    if max_iter >= needed:
        assert total_epochs(as_schedule(name).plan(n_layers, max_iter)) == max_iter
        return
    with pytest.raises(ValueError, match=rf"max_iter={max_iter} .*\({needed}\).*raise"):
        as_schedule(name).plan(n_layers, max_iter)


# --- the schedules among each other -------------------------------------------------


@pytest.mark.parametrize("tuning_fraction", [0.0, 0.3])
def test_one_hidden_layer_makes_all_schedules_the_same(tuning_fraction):
    every = [
        SCHEDULES[name](tuning_fraction=tuning_fraction).plan(1, 20)
        for name in SCHEDULES
    ]
    assert all(plan == every[0] for plan in every)


@settings(deadline=None)
@given(plans(name="hybrid"))
def test_the_ends_of_hybrid(drawn):
    _, n_layers, max_iter, options = drawn
    rest = {k: options[k] for k in ("epoch_allocation", "tuning_fraction")}
    rate = options["lower_layer_rate"]
    none = hybrid(n_layers, max_iter, stacked_fraction=0, lower_layer_rate=rate, **rest)
    assert none == gradual(n_layers, max_iter, lower_layer_rate=rate, **rest)
    whole = hybrid(
        n_layers, max_iter, stacked_fraction=1, lower_layer_rate=rate, **rest
    )
    assert whole == stacked(n_layers, max_iter, **rest)


@settings(deadline=None)
@given(st.integers(2, 5), st.integers(50, 400), shares, st.sampled_from([0, 0.5, 1]))
def test_the_fraction_of_hybrid_counts_weight_updates(
    n_layers, max_iter, fraction, rate
):
    plan = hybrid(n_layers, max_iter, stacked_fraction=fraction, lower_layer_rate=rate)
    for depth in range(2, n_layers + 1):
        stage = [phase for phase in plan if phase.depth == depth]
        still = sum(phase.cost for phase in stage if phase.corrupt == "code")
        # to the nearest whole epoch, of at most `depth` updates
        assert abs(still - fraction * total_cost(stage)) <= depth
        assert [p.corrupt for p in stage] == sorted(p.corrupt for p in stage)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(5, 100))
def test_no_rate_below_makes_gradual_frozen(n_layers, max_iter):
    assert gradual(n_layers, max_iter, lower_layer_rate=0) == frozen(n_layers, max_iter)


@settings(deadline=None)
@given(st.integers(2, 5), st.integers(5, 100))
def test_frozen_differs_from_gradual_in_the_rates_alone(n_layers, max_iter):
    for one, other in zip(
        gradual(n_layers, max_iter), frozen(n_layers, max_iter), strict=True
    ):
        assert (one.depth, one.epochs, one.corrupt) == (
            other.depth,
            other.epochs,
            other.corrupt,
        )
        assert one.rates == (1.0,) * one.depth
        assert other.rates == (0.0,) * (one.depth - 1) + (1.0,)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(5, 100))
def test_stacked_corrupts_the_code_of_frozen_layers(n_layers, max_iter):
    first, *others = stacked(n_layers, max_iter)
    assert first.corrupt == "input"
    assert all(phase.corrupt == "code" for phase in others)
    assert all(phase.n_updated == 1 for phase in others)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(5, 100))
def test_joint_is_one_phase_on_all_layers(n_layers, max_iter):
    assert joint(n_layers, max_iter) == (Phase(n_layers, max_iter, (1.0,) * n_layers),)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_parameter_of_a_schedule_changes_its_plan(name):
    other = {
        "stacked_fraction": 0.9,
        "lower_layer_rate": 0.3,
        "epoch_allocation": [1, 5, 1],
        "tuning_fraction": 0.2,
        "start": "random",
    }
    plain = SCHEDULES[name]()
    for parameter in plain.get_params():
        changed = clone(plain).set_params(**{parameter: other[parameter]})
        assert changed != plain
        assert changed.plan(3, 60) != plain.plan(3, 60), parameter


def test_schedules_are_cloned_compared_and_set():
    schedule = Hybrid(stacked_fraction=0.3)
    assert clone(schedule) == schedule
    assert clone(schedule) is not schedule
    assert repr(schedule).startswith("Hybrid(stacked_fraction=0.3")
    with pytest.raises(ValueError, match="no parameter 'rate'"):
        schedule.set_params(rate=1)


# --- equal weight updates -----------------------------------------------------------


@pytest.mark.parametrize("tuning_fraction", [0.0, 0.25])
@pytest.mark.parametrize("name", [n for n in SCHEDULES if n != "hybrid"])
@pytest.mark.parametrize("reference", ["gradual", "stacked", "frozen"])
def test_equal_updates_exactly_where_whole_epochs_allow(
    reference, name, tuning_fraction
):
    # 36 epochs a stage divide by 1, 2 and 3 layers, and so does their sum
    n_epochs = 108 if not tuning_fraction else 144
    plan = SCHEDULES[reference](tuning_fraction=tuning_fraction).plan(3, n_epochs)
    other = at_equal_updates(name, plan)
    assert total_cost(other) == total_cost(plan)
    if name != "joint":
        for depth in (1, 2, 3):
            costs = [
                sum(p.cost for p in each if p.depth == depth) for each in (plan, other)
            ]
            assert costs[0] == costs[1]


@settings(deadline=None)
@given(plans(name=st.sampled_from(["gradual", "stacked", "frozen"])), names, shares)
def test_equal_updates_to_the_nearest_epoch(drawn, name, fraction):
    plan, n_layers, _, _ = drawn
    other = at_equal_updates(schedule_of(name, {"stacked_fraction": fraction}), plan)
    assert other[-1].depth == n_layers
    growing = [phase for phase in plan if phase.kind != "tuning"]
    matched = [phase for phase in other if phase.kind != "tuning"]
    if name == "joint":
        updates = total_cost(growing)
        assert abs(total_cost(matched) - updates) < n_layers
        return
    for depth in range(1, n_layers + 1):
        updates, made = (
            sum(p.cost for p in each if p.depth == depth) for each in (growing, matched)
        )
        # half an epoch of all layers and half of one, and at least one epoch
        assert abs(made - updates) <= max(
            (depth + 1) / 2, depth - 1, 1 + depth - updates
        )


@settings(deadline=None)
@given(plans(name=st.sampled_from(["gradual", "stacked", "frozen", "joint"])))
def test_tuning_is_kept_at_equal_updates(drawn):
    plan, *_ = drawn
    kept = [phase for phase in plan if phase.kind == "tuning"]
    for name in SCHEDULES:
        other = at_equal_updates(name, plan)
        assert [phase for phase in other if phase.kind == "tuning"] == kept


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(8, 100))
def test_a_schedule_at_its_own_updates_is_itself(n_layers, max_iter):
    for name in ("gradual", "stacked", "frozen", "joint"):
        plan = as_schedule(name).plan(n_layers, max_iter)
        assert at_equal_updates(name, plan) == plan


# --- phases -------------------------------------------------------------------------


def test_a_phase_is_a_fact():
    phase = Phase(2, 3, (0.5, 1.0))
    with pytest.raises(FrozenInstanceError):
        phase.epochs = 4
    assert {phase: 1}[Phase(2, 3, (0.5, 1.0), kind="label")] == 1
    assert (phase.n_updated, phase.cost) == (2, 6)
    assert Phase(2, 3, (0.0, 1.0)).cost == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, ()), r"depth=0 .* at least 1"),
        ((1.0, 1, (1.0,)), r"depth=1\.0 .* int"),
        ((1, 0, (1.0,)), r"epochs=0 .* at least 1.*leave"),
        ((2, 1, (1.0,)), r"rates=\(1\.0,\) .*depth=2.*give 2"),
        ((1, 1, (1.5,)), r"rates=\(1\.5,\) .* \[0, 1\]"),
        ((1, 1, (-0.5,)), r"rates=\(-0\.5,\) .* \[0, 1\]"),
        ((1, 1, (float("nan"),)), r"rates=\(nan,\) .* \[0, 1\]"),
        ((1, 1, ("1",)), r"rates=\('1',\) .* \[0, 1\]"),
        ((2, 1, (0.0, 0.0)), r"train nothing"),
        ((1, 1, (1.0,), "output"), r"corrupt='output' .* 'input' or 'code'"),
        ((2, 1, (0.5, 1.0), "code"), r"rates=\(0\.5, 1\.0\) .* must be 0 below"),
        ((1, 3, (1.0,), "code"), "depth to be at least 2"),
        ((1, 1, (1.0,), "input", 1.5), r"output_rate=1\.5 of a Phase"),
        ((1, 1, (0.0,), "input", 0.0), "train nothing"),
        ((2, 1, (0.0, 1.0), "code", 1.0), "output_rate=1.0 of a Phase needs corrupt"),
    ],
)
def test_a_phase_that_cannot_be_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        Phase(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_layers": 0}, r"n_layers=0 .* at least 1"),
        ({"n_layers": 1.5}, r"n_layers=1\.5 .* int"),
        ({"tuning_fraction": 1.0}, r"tuning_fraction=1\.0 .* \[0, 1\)"),
        ({"tuning_fraction": -0.1}, r"tuning_fraction=-0\.1"),
        ({"stacked_fraction": 1.1}, r"stacked_fraction=1\.1 .* \[0, 1\]"),
        ({"stacked_fraction": "half"}, r"stacked_fraction='half'"),
        ({"lower_layer_rate": -1}, r"lower_layer_rate=-1 .* \[0, 1\]"),
        ({"epoch_allocation": "even"}, r"epoch_allocation='even' .* 'equal'"),
        ({"epoch_allocation": [1, 2]}, r"epoch_allocation=\[1, 2\] .* 3 shares"),
        ({"epoch_allocation": [1, 0, 1]}, r"\[1, 0, 1\] .* above 0"),
        ({"max_iter": 3, "tuning_fraction": 0.3}, r"\(3\) plus 1 for tuning"),
    ],
)
def test_options_out_of_range_are_errors(options, message):
    size = {"n_layers": 3, "max_iter": 30}
    size |= {name: options.pop(name) for name in list(options) if name in size}
    with pytest.raises(ValueError, match=message):
        Hybrid(**options).plan(**size)


@pytest.mark.parametrize(
    ("name", "reference", "message"),
    [
        ("greedy", gradual(2, 10), "schedule='greedy'"),
        ("gradual", (), "at least one Phase"),
    ],
)
def test_equal_updates_need_a_name_and_a_reference(name, reference, message):
    with pytest.raises(ValueError, match=message):
        at_equal_updates(name, reference)


@pytest.mark.parametrize("max_iter", [10.5, True, 0, "10"])
def test_epochs_are_whole(max_iter):
    with pytest.raises(ValueError, match="max_iter"):
        gradual(2, max_iter)


@pytest.mark.parametrize("n_layers", [2, 3])
@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_updates_of_a_joint_reference_are_shared_out(name, n_layers):
    reference = joint(n_layers, 60)
    phases = at_equal_updates(name, reference)
    assert abs(total_cost(phases) - total_cost(reference)) <= n_layers**2
    if name == "gradual":
        epochs = [phase.epochs for phase in phases]
        assert max(epochs) - min(epochs) <= 1


# --- fine-tuning ----------------------------------------------------------------------


@pytest.mark.parametrize("n_layers", [1, 2, 4])
@pytest.mark.parametrize("unfreezing", ["joint", "gradual"])
def test_fine_tuning_spends_its_epochs_and_ends_with_all_layers(n_layers, unfreezing):
    plan = fine_tuning(n_layers, 23, encoder_rate=0.5, unfreezing=unfreezing)
    assert total_epochs(plan) == 23
    assert plan[-1].rates == (0.5,) * n_layers
    assert all(phase.rate_of("output", n_layers) == 1 for phase in plan)
    assert all(phase.depth == n_layers for phase in plan)
    free = [phase.n_updated for phase in plan]
    assert free == (
        [n_layers + 1] if unfreezing == "joint" else [*range(1, n_layers + 2)]
    )
    for phase in plan:  # from the top down
        assert list(phase.rates) == sorted(phase.rates)


def test_an_encoder_that_stands_still_is_one_phase():
    assert fine_tuning(2, 9, encoder_rate=0, unfreezing="gradual") == (
        Phase(2, 9, (0, 0), output_rate=1.0),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder_rate": 2}, "encoder_rate=2 must be a number"),
        ({"encoder_rate": "all"}, "encoder_rate='all' must be a number"),
        ({"unfreezing": "slow"}, "unfreezing='slow' must be"),
        ({"unfreezing": "gradual", "max_iter": 2}, "max_iter=2 must be at least"),
    ],
)
def test_fine_tuning_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        fine_tuning(2, **({"max_iter": 10} | arguments))


def test_an_output_rate_needs_an_output_layer():
    mirror = GradualDAETransformer((4,), schedule=(Phase(1, 1, (1.0,), output_rate=1),))
    with pytest.raises(ValueError, match="decoder='mirror' has no output layer"):
        mirror.fit(np.eye(5))
