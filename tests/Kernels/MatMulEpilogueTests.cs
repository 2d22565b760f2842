using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>What a product does with its sums is what separate ops would do with them, bit for bit.</summary>
public sealed class MatMulEpilogueTests
{
    private const int Add = 1, SwiGlu = 2;

    // Inputs, outputs, segments: ragged, and of several groups of columns.
    private static readonly int[][] Shapes = [[36, 33, 4], [64, 96, 1], [130, 320, 2], [24, 2080, 1]];

    private static readonly int[] RowCounts = [1, 2, 3, 4, 5, 7, 8, 12, 14, 15, 16, 33, 129, 900];

    [Test]
    public void A_product_added_to_the_residual_is_the_residual_plus_the_product(
        [EachIsa] CpuIsa isa, [ValueSource(nameof(Shapes))] int[] shape, [Values(1, 2, 3)] int threadCount)
    {
        using Operation it = new(isa, shape, threadCount);
        foreach (int rows in RowCounts)
        {
            float[] product = it.Multiply(rows, epilogue: 0, new float[rows * it.Outputs], it.Outputs);
            float[] residual = CpuTestBackend.Values(rows, rows * it.Outputs);
            float[] expected = new float[residual.Length];
            for (int index = 0; index < expected.Length; index++)
                expected[index] = residual[index] + product[index];
            float[] actual = it.Multiply(rows, Add, residual, it.Outputs);
            TestTensors.AssertSameBits(actual, expected, $"{rows} rows");
        }
    }

    [Test]
    public void A_product_with_swiglu_is_the_product_then_the_row_op(
        [EachIsa] CpuIsa isa, [Values(1, 2, 3)] int threadCount)
    {
        foreach (int[] shape in Shapes.Where(shape => shape[1] % 32 == 0))
        {
            using Operation it = new(isa, shape, threadCount);
            foreach (int rows in RowCounts)
            {
                int columns = it.Outputs / 2;
                float[] sums = it.Multiply(rows, epilogue: 0, new float[rows * it.Outputs], it.Outputs);
                float[] gateUp = new float[sums.Length];
                for (int index = 0; index < sums.Length; index++)
                {
                    int column = index % it.Outputs, half = column % 32 < 16 ? 0 : columns;
                    gateUp[index - column + half + (column / 32 * 16) + (column % 16)] = sums[index];
                }
                float[] actual = it.Multiply(rows, SwiGlu, new float[rows * columns], columns);
                TestTensors.AssertSameBits(actual, it.Activate(rows, gateUp), $"{rows} rows");
            }
        }
    }

    [Test]
    public void Swiglu_of_half_a_unit_and_unknown_epilogues_are_refused([Values(2, 3, -1)] int epilogue)
    {
        using Operation it = new(CpuIsa.Auto, Shapes[0], threadCount: 1);
        Assert.Throws<NativeException>(
            () => it.Multiply(rows: 1, epilogue, new float[it.Outputs], it.Outputs));
    }

    /// <summary>A weight, activations and a bias, multiplied through the native op itself.</summary>
    private sealed unsafe class Operation : IDisposable
    {
        private const int RowCapacity = 900;

        private readonly CpuIsa _isa;
        private readonly CpuTeam _team;
        private readonly CpuMemory _packed;
        private readonly int _inputs, _segmentCount;
        private readonly float[] _x, _bias;

        public Operation(CpuIsa isa, int[] shape, int threadCount)
        {
            if (CpuIsaSupport.WhyNot(isa) is { } reason)
                Assert.Ignore(reason);
            _isa = CpuIsaSupport.Resolve(isa);
            (_inputs, Outputs, _segmentCount) = (shape[0], shape[1], shape[2]);
            _team = CpuTeam.Create(threadCount);
            _x = CpuTestBackend.Values(1, RowCapacity * _inputs);
            _bias = CpuTestBackend.Values(2, Outputs);
            _packed = CpuMemory.Map(CpuNative.pd_cpu_packed_bytes((int)_isa, Outputs, _inputs));
            fixed (float* weight = CpuTestBackend.Values(3, Outputs * _inputs))
            {
                PackArgs args = new()
                {
                    Rows = weight,
                    Packed = (void*)_packed.Address,
                    N = Outputs,
                    K = _inputs,
                    RowCount = Outputs,
                    Isa = (int)_isa,
                };
                NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_pack(&args));
            }
        }

        public int Outputs { get; }

        /// <summary>The last rows of x, so that a row's place differs from size to size.</summary>
        public float[] Multiply(int rows, int epilogue, float[] y, int columns)
        {
            float[] result = (float[])y.Clone();
            fixed (float* x = _x, bias = _bias, output = result)
            {
                MatMulArgs args = new()
                {
                    Team = _team.Address,
                    X = x + ((RowCapacity - rows) * _inputs),
                    W = (void*)_packed.Address,
                    Bias = rows % 2 == 0 ? bias : null,
                    Y = output,
                    Rows = rows,
                    N = Outputs,
                    K = _inputs,
                    XStride = _inputs,
                    YStride = columns,
                    Isa = (int)_isa,
                    Segments = _segmentCount,
                    Epilogue = epilogue,
                };
                using CpuMemory scratch = CpuMemory.Map(CpuNative.pd_cpu_matmul_scratch_bytes(&args) + 64);
                args.Scratch = (void*)scratch.Address;
                NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_matmul(&args));
            }
            return result;
        }

        public float[] Activate(int rows, float[] gateUp)
        {
            float[] result = new float[rows * Outputs / 2];
            fixed (float* input = gateUp, output = result)
            {
                SwiGluArgs args = new()
                {
                    Team = _team.Address,
                    GateUp = input,
                    Y = output,
                    Rows = rows,
                    Columns = Outputs / 2,
                    GateUpStride = Outputs,
                    YStride = Outputs / 2,
                    Isa = (int)_isa,
                };
                NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_swiglu(&args));
            }
            return result;
        }

        public void Dispose()
        {
            _team.Dispose();
            _packed.Dispose();
        }
    }
}
