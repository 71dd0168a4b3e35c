"""The operator table: every ONNX operator that can be translated, by domain and name."""

from __future__ import annotations

from cimc.frontends import elementwise_ops as elementwise
from cimc.frontends import layout_ops as layout
from cimc.frontends import matrix_ops as matrix
from cimc.frontends import normalise_ops as normalise
from cimc.frontends import quantised_ops as quantised
from cimc.frontends import resize_ops as resize
from cimc.frontends import windows_ops as windows
from cimc.frontends.elementwise_ops import Translation, chain, unary
from cimc.frontends.matrix_ops import product

ONNX: dict[str, Translation] = {
    # matrices, to be stored on crossbars
    "Conv": windows.conv,
    "Gemm": matrix.gemm,
    "MatMul": matrix.matmul,
    # windows
    "AveragePool": windows.pool("average"),
    "GlobalAveragePool": windows.global_pool("average"),
    "GlobalMaxPool": windows.global_pool("max"),
    "MaxPool": windows.pool("max"),
    # normalisation, softmax, reduction
    "BatchNormalization": normalise.batch_normalization,
    "InstanceNormalization": normalise.instance_normalization,
    "LRN": normalise.lrn,
    "LayerNormalization": normalise.layer_normalization,
    "LogSoftmax": normalise.log_softmax,
    "RMSNormalization": normalise.rms_normalization,
    "ReduceL1": normalise.reduce_of("abs", "identity"),
    "ReduceL2": normalise.reduce_of("square", "sqrt"),
    "ReduceMax": normalise.reduce_("max"),
    "ReduceMean": normalise.reduce_("mean"),
    "ReduceMin": normalise.reduce_min,
    "ReduceSum": normalise.reduce_("sum"),
    "ReduceSumSquare": normalise.reduce_of("square", "identity"),
    "Softmax": normalise.softmax,
    # elementwise functions of one tensor
    "Abs": unary("abs"),
    "Ceil": unary("ceil"),
    "Clip": elementwise.clip,
    "Elu": elementwise.exponential(alpha=1.0),
    "Erf": unary("erf"),
    "Exp": unary("exp"),
    "Floor": unary("floor"),
    "Gelu": elementwise.gelu,
    "HardSigmoid": unary("hard_sigmoid", alpha=0.2, beta=0.5),
    "HardSwish": unary("hard_swish"),
    "LeakyRelu": unary("leaky_relu", alpha=0.01),
    "Log": unary("log"),
    "Mish": elementwise.mish,
    "Neg": unary("neg"),
    "PRelu": elementwise.prelu,
    "Pow": elementwise.pow_,
    "Reciprocal": unary("reciprocal"),
    "Relu": unary("relu"),
    "Round": unary("round"),
    "Selu": elementwise.exponential(alpha=1.6732632423543772, gamma=1.0507009873554805),
    "Sigmoid": unary("sigmoid"),
    "Softplus": unary("softplus"),
    "Softsign": elementwise.softsign,
    "Sqrt": unary("sqrt"),
    "Swish": elementwise.swish,
    "Tanh": unary("tanh"),
    # elementwise functions of several tensors
    "Add": chain("add"),
    "Div": chain("div"),
    "Max": chain("max"),
    "Mean": elementwise.mean,
    "Min": chain("min"),
    "Mul": chain("mul"),
    "Sub": chain("sub"),
    "Sum": chain("add"),
    # layout
    "Concat": layout.concat,
    "DepthToSpace": layout.depth_to_space,
    "Expand": layout.expand,
    "Flatten": layout.flatten,
    "Gather": layout.gather,
    "Pad": layout.pad,
    "Resize": resize.resize,
    "Reshape": layout.reshape,
    "Slice": layout.slice_,
    "SpaceToDepth": layout.space_to_depth,
    "Split": layout.split,
    "Squeeze": layout.squeeze,
    "Tile": layout.tile,
    "Transpose": layout.transpose,
    "Unsqueeze": layout.unsqueeze,
    "Upsample": resize.resize,
    # nothing at run time
    "Cast": elementwise.cast,
    "CastLike": elementwise.cast_like,
    "Dropout": elementwise.dropout,
    "Identity": elementwise.identity,
    # quantisation
    "DequantizeLinear": quantised.dequantize_linear,
    "QLinearConv": quantised.qlinear_conv,
    "QLinearMatMul": quantised.qlinear(product, 2),
    "QuantizeLinear": quantised.quantize_linear,
}

MICROSOFT: dict[str, Translation] = {
    "DequantizeLinear": quantised.dequantize_linear,
    "FastGelu": elementwise.fast_gelu,
    "Gelu": elementwise.gelu,
    "QGemm": quantised.qgemm,
    "QLinearAdd": quantised.qlinear_binary("add"),
    "QLinearAveragePool": quantised.qlinear_pool(windows.pooling),
    "QLinearConcat": quantised.qlinear_concat,
    "QLinearGlobalAveragePool": quantised.qlinear_pool(windows.global_pooling),
    "QLinearLeakyRelu": quantised.qlinear_unary("leaky_relu", alpha=0.01),
    "QLinearMul": quantised.qlinear_binary("mul"),
    "QLinearSigmoid": quantised.qlinear_unary("sigmoid"),
    "QLinearSoftmax": quantised.qlinear(quantised.softmax, 1),
    "QuantizeLinear": quantised.quantize_linear,
}

OPERATORS: dict[str, dict[str, Translation]] = {"": ONNX, "com.microsoft": MICROSOFT}


def translation_of(domain: str, op_type: str) -> Translation | None:
    """The translation of an operator; None where there is none."""
    return OPERATORS.get(domain, {}).get(op_type)
