"""The reward language: all that a reward program may contain, in plain tables.

Everything that is not listed here is refused: the lists say what reward programs need, not what
would be dangerous.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Syntax: `check.py` and `expressions.py` list statements and expressions.
OPERATORS = _words("Add Sub Mult Div FloorDiv Mod Pow MatMult BitAnd BitOr BitXor")
COMPARISONS = _words("Eq NotEq Lt LtE Gt GtE")

# Size.
MAX_BYTES = 16 * 1024
MAX_LINE_LENGTH = 1000
MAX_NODES = 3000
MAX_DEPTH = 60
MAX_HELPERS = 8
MAX_THOUGHT = 400
"""Characters of the design thought that tables and prompts show."""
MAX_INTEGER = 1_000_000
MAX_EXPONENT = 16
MAX_TRIPS = 256
"""Iterations of one loop."""
MAX_WORK = 50_000
"""Expressions that one call evaluates, with all loops and helpers unrolled."""
MAX_ITEM_DEPTH = 3
"""Pairs of brackets in the target of an assignment: each copies the variable's value."""
WEIGHT_RANGE = (1e-12, 1e12)
"""Allowed magnitudes of a weight other than 0: within them, scaling is exact."""
NAME_PATTERN = r"[A-Za-z][A-Za-z0-9_]{0,39}"
"""Keys of WEIGHTS and SCALES: they appear in tables, file names and prompts."""

# Names.
MODULES = ("torch", "math", "F")
TABLES = {"WEIGHTS": 32, "SCALES": 64}
"""The two tables of numbers, and how many entries each may have."""
BUILTINS = ("abs", "min", "max", "len", "float", "int", "bool", "sum", "round", "range")


# torch.<name>(x, ...) and x.<name>(...), row by row.
ELEMENTWISE = _words("""
    abs absolute neg negative positive sign sgn square sqrt rsqrt reciprocal pow float_power
    exp exp2 expm1 log log2 log10 log1p logaddexp logit sigmoid erf erfc relu sinc xlogy
    sin cos tan asin acos atan atan2 arcsin arccos arctan arctan2 deg2rad rad2deg hypot
    sinh cosh tanh asinh acosh atanh arcsinh arccosh arctanh
    ceil floor round trunc fix frac clamp clip nan_to_num isnan isinf isfinite isclose
    add sub subtract mul multiply div divide true_divide floor_divide remainder fmod lerp
    clamp_min clamp_max maximum minimum fmax fmin heaviside copysign
    eq ne lt le gt ge less less_equal greater greater_equal not_equal
    logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not
    where
""")

# The same for reductions, each with the position of `dim` among a method's arguments.
REDUCTIONS = {
    **dict.fromkeys(
        _words("""
            sum nansum mean nanmean prod std var median amax amin max min argmax argmin all any
            logsumexp count_nonzero cumsum cumprod softmax
        """),
        0,
    ),
    **dict.fromkeys(_words("norm quantile linalg.norm linalg.vector_norm"), 1),
}

# torch.<name>(...) and x.<name>(...): shape and order.
_SHAPING = _words("""
    reshape flatten ravel unsqueeze squeeze permute transpose t movedim swapaxes unbind chunk split
    narrow select gather index_select take_along_dim roll flip tile repeat_interleave
    sort topk argsort diff masked_fill matmul mm bmm mv dot inner outer unflatten clone detach numel
""")
_FUNCTIONS_ONLY = _words("""
    zeros ones full zeros_like ones_like full_like tensor as_tensor arange linspace eye
    cat concat concatenate stack hstack vstack column_stack broadcast_to
    einsum cross linalg.cross linalg.vecdot cosine_similarity
""")
_METHODS_ONLY = _words("""
    view view_as expand expand_as repeat contiguous to type_as float double int long bool
    size dim new_zeros new_ones new_full new_tensor
""")

TORCH_FUNCTIONS = ELEMENTWISE | _SHAPING | _FUNCTIONS_ONLY | set(REDUCTIONS)
TENSOR_METHODS = (
    ELEMENTWISE | _SHAPING | _METHODS_ONLY | {name for name in REDUCTIONS if "." not in name}
)
TENSOR_ATTRIBUTES = _words("shape device dtype ndim T mT values indices")
TORCH_CONSTANTS = _words("pi e inf float float32 float64 double int int32 int64 long bool")

# F.<name>(...), with the number of positional arguments. Further ones are options such as `inplace`
# and `out`, which must not be reached by position.
NN_FUNCTIONS = {
    **dict.fromkeys(
        _words("""
            relu relu6 gelu silu mish selu softsign sigmoid tanh hardsigmoid hardswish logsigmoid
        """),
        1,
    ),
    **dict.fromkeys(_words("elu celu leaky_relu softmax log_softmax one_hot"), 2),
    **dict.fromkeys(_words("mse_loss l1_loss smooth_l1_loss huber_loss pairwise_distance"), 2),
    **dict.fromkeys(_words("softplus hardtanh"), 3),
    **dict.fromkeys(_words("normalize cosine_similarity"), 4),
}
MATH_FUNCTIONS = _words("""
    sqrt exp expm1 log log2 log10 log1p pow fabs floor ceil trunc fmod hypot copysign degrees
    radians sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc
    isnan isinf isfinite
""")
MATH_CONSTANTS = _words("pi tau e inf")

FUNCTIONS = {"torch": TORCH_FUNCTIONS, "math": MATH_FUNCTIONS, "F": frozenset(NN_FUNCTIONS)}
CONSTANTS = {"torch": TORCH_CONSTANTS, "math": MATH_CONSTANTS, "F": frozenset[str]()}

# Positional arguments: the fifth of `torch.norm` would be `out`.
MAX_POSITIONAL = 4
MAX_POSITIONAL_METHOD = 6
KEYWORDS = _words("""
    input other tensors dim dims axis keepdim keepdims dtype device size fill_value start end step
    steps min max exponent value values weight alpha beta eps p ord q nan posinf neginf rtol atol
    equal_nan unbiased correction descending stable largest sorted k n index indices mask shifts
    repeats sections chunks split_size_or_sections dim0 dim1 diagonal source destination start_dim
    end_dim negative_slope threshold min_val max_val delta num_classes x1 x2 x y target condition
    rounding_mode reduction
""")
OPTIONS = {"rounding_mode": ("floor", "trunc"), "reduction": ("none",)}
"""Arguments whose value is a string, and the strings that they may have."""
EQUATION_PATTERN = r"[A-Za-z., >-]{1,80}"
"""The first argument of `torch.einsum`."""

# Harmless habits of language models: removed, not refused.
HARMLESS_IMPORTS = _words("torch math")
HARMLESS_DECORATORS = _words("torch.jit.script torch.no_grad torch.inference_mode")

# Hints for what is refused most often.
SYNTAX_ADVICE: dict[str, tuple[str, str]] = {
    "While": ("A while loop", "Write tensor operations; short loops over range(3) are fine."),
    "Lambda": ("A lambda", "Define a helper function at the top level."),
    "FunctionDef": ("A function inside a function", "Define it at the top level."),
    "AsyncFunctionDef": ("An async function", "Write a plain function."),
    "ClassDef": ("A class", "Write plain functions."),
    "ListComp": ("A comprehension", "Write tensor operations, or the list's elements one by one."),
    "DictComp": ("A comprehension", "Write the dict's entries one by one."),
    "SetComp": ("A comprehension", "Write tensor operations."),
    "GeneratorExp": ("A generator", "Write tensor operations, or the elements in a list."),
    "JoinedStr": ("An f-string", "Programs need no text; leave it out."),
    "Try": ("A try statement", "Avoid the error: clamp before a division, a root or a logarithm."),
    "With": ("A with statement", "Leave it out; gradients are off already."),
    "Assert": ("An assert statement", "Leave it out; the shapes are documented."),
    "Raise": ("A raise statement", "Leave it out; return components for all rows."),
    "Global": ("A global statement", "Programs have no memory; ask for prev_, start_, max_, min_."),
    "Nonlocal": ("A nonlocal statement", "Programs have no memory; ask for prev_<signal>."),
    "Delete": ("A del statement", "Leave it out."),
    "NamedExpr": ("An assignment inside an expression", "Assign on a line of its own."),
    "Starred": ("A starred expression", "Write the arguments one by one."),
    "Import": ("This import", "torch, math, F and the reward library are simply there."),
    "ImportFrom": ("This import", "torch, math, F and the reward library are simply there."),
    "Match": ("A match statement", "Write torch.where, or if on plain numbers."),
    "Yield": ("A yield expression", "Return the dict of components."),
    "Break": ("A break statement", "Let the short loop run to its end."),
    "Continue": ("A continue statement", "Use if inside the loop."),
}
METHOD_ADVICE = {
    "item": "Keep whole tensors; there is no single number in a program that sees many rows.",
    "tolist": "Keep whole tensors.",
    "numpy": "Use torch operations.",
    "cpu": "Leave it out; programs run wherever their arguments are.",
    "cuda": "Leave it out; programs run wherever their arguments are.",
    "append": "Write the list with all its elements at once.",
    "items": "Write the entries one by one.",
    "keys": "Write the entries one by one.",
    "get": "Ask for what you need as a parameter of compute_reward.",
    "cross": "Write torch.cross(a, b, dim=-1).",
}
FUNCTION_ADVICE = {
    "print": "Leave it out; every component is recorded anyway.",
    "isinstance": "Leave it out; arguments are always tensors.",
    "zip": "Loop over a tuple of pairs, or write tensor operations.",
    "enumerate": "Loop over range(3), or write tensor operations.",
    "dict": 'Write {"name": value}.',
    "list": "Write [a, b].",
    "tuple": "Write (a, b).",
    "pow": "Write x ** 2 or torch.pow.",
}
RANDOMNESS = _words("""
    rand randn randint randperm rand_like randn_like randint_like bernoulli multinomial normal
    poisson dropout seed manual_seed initial_seed random uniform
""")
