using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The product kernels against the reference, and their tiles against one another.</summary>
[Category("Cuda")]
public sealed class ProductKernelTests
{
    private static readonly int[] BatchSizes = [1, 2, 16, 17, 64, 65, 257, 1024];

    private const int MostSharedBytes = 227 * 1024;

    // Rows x inputs x outputs x segments: ragged in every direction.
    private static readonly int[][] Shapes =
    [
        [1, 64, 96, 1], [3, 96, 64, 4], [17, 24, 40, 1], [65, 272, 130, 2], [130, 1024, 72, 4], [2, 8, 33, 1],
    ];

    [Test]
    public void A_product_is_the_references_of_rounded_operands(
        [ValueSource(nameof(Shapes))] int[] shape, [Values] bool biased,
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        Product it = new(shape[0], shape[1], shape[2], shape[3]);
        double[] expected = it.Expected(biased);
        foreach (CudaGemmPlan plan in it.Plans)
        {
            float[] actual = it.Store(rig, plan, biased);
            TestTensors.AssertNear(actual, expected, 2e-6 * it.Columns, $"{plan} {it}, seed {seed}");
        }
    }

    [Test]
    public void Every_tile_and_every_batch_gives_a_row_the_same_bits([Values(1, 2, 4)] int segments)
    {
        using KernelRig rig = new();
        Product it = new(1024, 192, 224, segments);
        float[] alone = it.Store(rig, it.Plan(0), biased: true);
        long compared = 0;
        foreach (int rows in BatchSizes)
        {
            // The last rows, so that a row's place differs from batch to batch.
            Product batch = it.Last(rows);
            foreach (CudaGemmPlan plan in batch.Plans)
            {
                float[] actual = batch.Store(rig, plan, biased: true);
                TestTensors.AssertSameBits(
                    actual, alone.AsSpan((1024 - rows) * it.Outputs), $"{plan}, {rows} rows");
                compared += actual.Length;
                rig.Clear();
            }
        }
        Assert.That(compared, Is.GreaterThan(800_000));
    }

    [Test]
    public void Segments_of_other_devices_are_added_in_the_same_order([Values(1, 2, 4)] int ranks)
    {
        using KernelRig rig = new();
        Product it = new(20, 256, 96, 4);
        float[] whole = it.Add(rig, it.Plan(1), residual: 0.5f);
        ulong output = rig.Upload<float>(Filled(it.Rows * it.Outputs, 0.5f));
        ulong[] partials = new ulong[4];
        for (int rank = 0; rank < ranks; rank++)
            partials[rank] = it.OfRank(rank, ranks).Partial(rig, rank % 3);
        int count = ranks;
        if (ranks == 1)
            (partials, count) = (it.Apart(rig, 2), 4);
        rig.Launch("pd_add_partials", new(1, it.Rows), 128, 0, new CudaAddPartialsArgs
        {
            Partial0 = partials[0], Partial1 = partials[1], Partial2 = partials[2], Partial3 = partials[3],
            Bias = rig.Upload<float>(it.Bias), Output = output, PartialStride = it.Outputs,
            OutputStride = it.Outputs, Columns = it.Outputs, Count = count, Adds = 1,
        });
        TestTensors.AssertSameBits(rig.Read<float>(output, whole.Length), whole, $"{ranks} ranks");
    }

    [Test]
    public void Gate_and_up_become_one_activation([Values(1, 16, 17, 130)] int rows)
    {
        using KernelRig rig = new();
        Product it = new(rows, 64, GatedRows.CountOf(48), 1);
        float[] both = it.Store(rig, it.Plan(0), biased: true);
        foreach (CudaGemmPlan plan in it.Plans)
        {
            float[] actual = it.Gated(rig, plan);
            for (int i = 0; i < actual.Length; i++)
            {
                int at = (i / 48 * it.Outputs) + GatedRows.IndexOf(i % 48);
                double gate = both[at], up = both[at + GatedRows.RunRows];
                double expected = gate / (1 + Math.Exp(-gate)) * up;
                Assert.That(
                    actual[i], Is.EqualTo(expected).Within(Math.Abs(expected) / 250), $"{plan}, {i}");
            }
        }
    }

    private static float[] Filled(int count, float value)
    {
        float[] values = new float[count];
        Array.Fill(values, value);
        return values;
    }

    /// <summary>Operands exact in bf16, and the launches of one product.</summary>
    private sealed class Product
    {
        private readonly ushort[] _input;
        private readonly ushort[] _weight;
        private readonly int _firstColumn;
        private readonly int _stride;

        public Product(int rows, int columns, int outputs, int segments)
        {
            Random random = new(rows + columns);
            (Rows, Columns, Outputs, Segments, _stride) = (rows, columns, outputs, segments, columns);
            _input = KernelRig.ToHalves(TestTensors.Values(random, rows * columns));
            _weight = KernelRig.ToHalves(TestTensors.Values(random, outputs * columns));
            Bias = TestTensors.Values(random, outputs);
        }

        private Product(Product whole, int rows, int firstColumn, int columns, int segments)
        {
            (Rows, Columns, Outputs, Segments) = (rows, columns, whole.Outputs, segments);
            _input = whole._input[((whole.Rows - rows) * whole._stride)..];
            (_weight, Bias, _stride, _firstColumn) = (whole._weight, whole.Bias, whole._stride, firstColumn);
        }

        public int Rows { get; }

        public int Columns { get; }

        public int Outputs { get; }

        public int Segments { get; }

        public float[] Bias { get; }

        public Product Last(int rows) => new(this, rows, 0, Columns, Segments);

        public Product OfRank(int rank, int ranks) =>
            new(this, Rows, Columns / ranks * rank, Columns / ranks, Segments / ranks);

        public double[] Expected(bool biased)
        {
            double[] expected = new double[Rows * Outputs];
            for (int row = 0; row < Rows; row++)
            {
                for (int output = 0; output < Outputs; output++)
                {
                    double sum = biased ? Bias[output] : 0;
                    for (int k = 0; k < Columns; k++)
                        sum += (double)AttentionSequence.FromBFloat16(_input[(row * _stride) + k])
                            * AttentionSequence.FromBFloat16(_weight[(output * _stride) + k]);
                    expected[(row * Outputs) + output] = sum;
                }
            }
            return expected;
        }

        /// <summary>Every launch of the whole product that a GPU can take.</summary>
        public IEnumerable<CudaGemmPlan> Plans
        {
            get
            {
                for (int tile = 0; tile < CudaGemmTile.All.Count; tile++)
                {
                    foreach (bool isSpread in (bool[])(Segments == 1 ? [false] : [false, true]))
                    {
                        CudaGemmPlan plan = CudaGemmPlan.Of(Shape, tile, isSpread);
                        if (plan.Fits(Shape, MostSharedBytes))
                            yield return plan;
                    }
                }
            }
        }

        private CudaGemmShape Shape => new(Rows, Outputs, Columns, Segments);

        public CudaGemmPlan Plan(int tile) => CudaGemmPlan.Of(Shape, tile, isSpread: false);

        public float[] Store(KernelRig rig, CudaGemmPlan plan, bool biased) =>
            Run(rig, plan, CudaGemmEpilogue.Store, biased, rig.Allocate<float>(Rows * Outputs));

        public float[] Add(KernelRig rig, CudaGemmPlan plan, float residual) =>
            Run(rig, plan, CudaGemmEpilogue.Add, true, rig.Upload<float>(Filled(Rows * Outputs, residual)));

        /// <summary>What one rank makes of its columns.</summary>
        public ulong Partial(KernelRig rig, int tile)
        {
            ulong output = rig.Allocate<float>(Rows * Outputs);
            Run(rig, Plan(tile), CudaGemmEpilogue.Store, false, output);
            return output;
        }

        /// <summary>Every segment by itself, in blocks of their own.</summary>
        public ulong[] Apart(KernelRig rig, int tile)
        {
            ulong output = rig.Allocate<float>(Rows * Outputs * Segments);
            Run(rig, Plan(tile), CudaGemmEpilogue.Partials, false, output);
            ulong bytes = (ulong)(Rows * Outputs * sizeof(float));
            return [output, output + bytes, output + (2 * bytes), output + (3 * bytes)];
        }

        public float[] Gated(KernelRig rig, CudaGemmPlan plan)
        {
            ulong output = rig.Allocate<ushort>(Rows * Outputs / 2);
            Launch(rig, plan, CudaGemmEpilogue.SwiGlu, true, output, Outputs / 2);
            return rig.ReadHalves(output, Rows * Outputs / 2);
        }

        public override string ToString() => $"[{Rows}, {Columns}] x [{Outputs}], {Segments} segments";

        private float[] Run(
            KernelRig rig, CudaGemmPlan plan, CudaGemmEpilogue epilogue, bool biased, ulong output)
        {
            Launch(rig, plan, epilogue, biased, output, Outputs);
            return rig.Read<float>(output, Rows * Outputs);
        }

        private void Launch(
            KernelRig rig, CudaGemmPlan plan, CudaGemmEpilogue epilogue, bool biased, ulong output,
            int stride)
        {
            bool apart = epilogue == CudaGemmEpilogue.Partials;
            int tiles = plan.Grid.X * plan.Grid.Y;
            ulong arrivals = plan.IsSpread ? rig.Upload<int>(new int[tiles]) : 0;
            CudaGemmArgs args = new()
            {
                Input = rig.Upload<ushort>(_input) + (ulong)(_firstColumn * 2),
                Weight = rig.Upload<ushort>(_weight) + (ulong)(_firstColumn * 2),
                Bias = biased ? rig.Upload<float>(Bias) : 0, Output = output,
                InputStride = _stride, WeightStride = _stride, OutputStride = stride,
                SegmentStride = Rows * Outputs, Rows = Rows, Outputs = Outputs, Columns = Columns,
                Segments = Segments, Epilogue = epilogue, Arrivals = arrivals,
                Scratch = plan.IsSpread ? rig.Allocate<byte>(plan.SpreadBytes) : 0,
            };
            CudaExtent grid = apart ? new(plan.Grid.X, plan.Grid.Y, Segments) : plan.Grid;
            rig.Launch(
                plan.Tile.Name, grid, plan.Tile.Threads,
                apart ? plan.Tile.SharedBytes(1) : plan.SharedBytes, args);
            if (plan.IsSpread)
                Assert.That(rig.Read<int>(arrivals, tiles), Is.All.Zero, "counts are there for the next");
        }
    }
}
