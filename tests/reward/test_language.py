"""The tables of the language name existing functions, and none that reaches further."""

import torch

from eureka_agent.reward import language
from eureka_agent.reward.program import namespace

# What must never be listed: by it a program would reach files, memory, chance or other rows' data.
DANGEROUS = """
    load save from_file empty empty_like as_strided set_ resize_ data numpy tolist item apply_ map_
    cuda cpu untyped_storage storage register_hook share_memory_ as_subclass rand randn bernoulli
    compile jit ops hub utils vmap manual_seed set_default_dtype requires_grad_ grad grad_fn
""".split()


def test_all_listed_functions_exist() -> None:
    scope = namespace()
    for path in language.TORCH_FUNCTIONS:
        function = scope["torch"]
        for part in path.split("."):
            function = getattr(function, part)
        assert callable(function), path
    for name in language.TENSOR_METHODS | language.TENSOR_ATTRIBUTES - {"values", "indices"}:
        assert hasattr(torch.Tensor, name), name


def test_nothing_dangerous_is_listed() -> None:
    listed = (
        language.TORCH_FUNCTIONS
        | language.TENSOR_METHODS
        | language.TENSOR_ATTRIBUTES
        | language.TORCH_CONSTANTS
        | language.MATH_FUNCTIONS
        | set(language.NN_FUNCTIONS)
    )
    assert listed.isdisjoint(DANGEROUS)
    assert not [name for name in listed if name.endswith("_") or name.startswith("_")]
    assert language.KEYWORDS.isdisjoint({"out", "inplace", "generator", "requires_grad", "layout"})
