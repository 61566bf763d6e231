"""The ways of computing attention that are compared, by name, and what the Python client is told for each."""
import dataclasses

import favor
import numpy

BASELINE = "FAVOR+"
BEST = "best"


@dataclasses.dataclass(frozen=True)
class Way:
    """One estimator with its projection and what stands in front of it."""

    name: str
    family: str  # those of one family have one colour in a chart
    options: tuple  # of pairs, for Client.attend
    features_of_a_row: int = 1  # two: hyperbolic, trigonometric, antithetic; 0: num_features means nothing to it

    @property
    def paired(self):
        return self.features_of_a_row == 2

    @property
    def random(self):
        """Whether there is a projection, so that a seed changes the answer."""
        return self.family not in ("first order", "second cumulant", "anchors", "best")

    @property
    def fitted(self):
        """Whether it uses statistics, which a causal call has to be given."""
        options = dict(self.options)
        return options.get("precondition", False) or options["estimator"] in ("oprf", "sderf", "saderf")

    def arguments(self, num_features, seed):
        """For Client.attend, such that `num_features` features are made, which is what a call costs."""
        size = {"num_features": num_features // self.features_of_a_row} if self.features_of_a_row else {}
        return dict(self.options) | size | ({"seed": seed} if self.random else {})


def _way(name, family, estimator, pairs=1, **options):
    return Way(name, family, tuple(({"estimator": estimator} | options).items()), pairs)


def _with_modifiers(name, family, estimator):
    for precondition in (False, True):
        for antithetic in (False, True):
            modifiers = {"precondition": True} if precondition else {}
            modifiers |= {"antithetic": True} if antithetic else {}
            words = " ".join([name, *(["precond."] if precondition else []), *(["antith."] if antithetic else [])])
            yield _way(words, family, estimator, 2 if antithetic else 1, **modifiers)


RANDOM_FEATURES = [
    _way(BASELINE, "positive", "positive"),
    _way("FAVOR+ iid", "positive", "positive", projection="iid"),
    _way("FAVOR+ structured", "positive", "positive", projection="structured"),
    _way("FAVOR+ simplex", "positive", "positive", projection="simplex"),
    _way("FAVOR+ precond.", "positive", "positive", precondition=True),
    _way("hyperbolic", "hyperbolic", "hyperbolic", 2),
    _way("hyperbolic precond.", "hyperbolic", "hyperbolic", 2, precondition=True),
    _way("trigonometric", "trigonometric", "trigonometric", 2),
    *_with_modifiers("OPRF", "oprf", "oprf"),
    *_with_modifiers("SDERF", "sderf", "sderf"),
    *_with_modifiers("SADERF", "saderf", "saderf"),
]
# Without random features; as many anchors as cost what FAVOR+ costs with num_features.
CUMULANTS = [
    _way("first order", "first order", "first_order", 0),
    _way("second cumulant", "second cumulant", "second_cumulant", 0),
    _way("anchors", "anchors", "anchors"),
    # Anchors with some directions of second order, and rows computed exactly, which weigh the parts of the answer.
    _way(BEST, "best", "best"),
]
EVERY = RANDOM_FEATURES + CUMULANTS
# The tables have all; a chart of all would be too full. SADERF behind a precondition is OPRF behind one, bit for bit: what
# it balances is balanced then.
IN_CHARTS = [BASELINE, "FAVOR+ iid", "hyperbolic", "trigonometric", "OPRF", "SDERF", "SADERF", "OPRF precond. antith.",
             "SDERF precond. antith.", "first order", "second cumulant", "anchors", BEST]


def by_name(name):
    return next(way for way in EVERY if way.name == name)


def served(client):
    """(ways this server has, {name: why not} of the others)."""
    tensor = numpy.random.default_rng(0).standard_normal((1, 1, 64, 16)).astype(numpy.float32)
    here, missing = [], {}
    for way in EVERY:
        try:
            client.attend(tensor, tensor, tensor, **way.arguments(32, 0))
            here.append(way)
        except (favor.UnimplementedError, favor.InvalidArgumentError, TypeError, ValueError) as why:
            missing[way.name] = str(why).splitlines()[0][:160]
    return here, missing
