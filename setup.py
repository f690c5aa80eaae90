"""Build the one extension module: the C core and its Cython binding.

Everything else about the project stands in pyproject.toml.
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = [
    "batch",
    "cell",
    "derive",
    "encode",
    "fuse",
    "memory",
    "op",
    "pattern",
    "program",
    "replay",
    "schedule",
    "sets",
    "special",
    "sweep",
    "tape",
    "text",
]
INSTRUCTION_SETS = ["avx2", "avx512", "neon", "plain", "sse2"]
LANES = ["batch_kernels", "lane", "lanes", "lanes_angles", "lanes_coefficients"]
LANES += ["lanes_exp", "lanes_math", "sweep_kernels"]


def embed(names, header):
    """Write the texts of some files into a C header, for Program.to_c to copy from."""
    text = "".join(Path(name).read_text("utf8") for name in names).encode("ascii")
    rows = [", ".join(map(str, text[k : k + 18])) for k in range(0, len(text), 18)]
    lines = "".join(f"    {row},\n" for row in rows)
    code = f"static const char fad_special_text[] = {{\n{lines}    0,\n}};\n"
    if not Path(header).is_file() or Path(header).read_text("utf8") != code:
        Path(header).write_text(code, "utf8")


embed(["csrc/special.h", "csrc/special.c"], "fastad/_special_text.h")

if sys.platform == "win32":
    # /fp:precise neither contracts a*b + c nor reorders.
    compile_args, link_args = ["/O2", "/fp:precise", "/std:c11"], []
else:
    compile_args = [
        "-std=c11",
        "-O3",
        "-g0",
        "-ffp-contract=off",  # a*b + c is rounded twice on every machine
        "-fno-math-errno",  # sin(x) and cos(x) become one sincos, sqrt one instruction
        "-fno-builtin-pow",  # pow(x, -1.0) is not 1/x: their last bits differ
        "-fvisibility=hidden",
    ]
    link_args = []
# For instance FASTAD_CFLAGS="-Werror -fsanitize=address,undefined".
compile_args += os.environ.get("FASTAD_CFLAGS", "").split()
link_args += os.environ.get("FASTAD_LDFLAGS", "").split()

extension = Extension(
    "fastad._core",
    sources=[
        "fastad/_core.pyx",
        *(f"csrc/{name}.c" for name in CORE),
        *(f"csrc/set_{name}.c" for name in INSTRUCTION_SETS),
    ],
    depends=[
        "csrc/lanes.def",
        "csrc/ops.def",
        *(f"csrc/{name}.h" for name in CORE + LANES),
        "csrc/flags.h",
        "csrc/replay_steps.h",
        "fastad/_dual.h",
        "fastad/_operations.h",
        "fastad/_special_text.h",
        "fastad/_var.h",
    ],
    include_dirs=["csrc", "fastad"],
    define_macros=[("CYTHON_CLINE_IN_TRACEBACK", "0")],
    extra_compile_args=compile_args,
    extra_link_args=link_args,
)

setup(ext_modules=cythonize([extension], compiler_directives={"language_level": 3}))
