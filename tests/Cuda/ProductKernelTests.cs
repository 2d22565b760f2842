using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The product kernels against the reference, and their tiles against one another.</summary>
[Category("Cuda")]
public sealed class ProductKernelTests
{
    private static readonly int[] BatchSizes = [1, 2, 16, 17, 64, 65, 257, 1024];

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
        foreach (CudaGemmTile tile in CudaGemmTile.All)
        {
            float[] actual = it.Store(rig, tile, biased);
            TestTensors.AssertNear(actual, expected, 2e-6 * it.Columns, $"{tile.Name} {it}, seed {seed}");
        }
    }

    [Test]
    public void Every_tile_and_every_batch_gives_a_row_the_same_bits([Values(1, 2, 4)] int segments)
    {
        using KernelRig rig = new();
        Product it = new(1024, 192, 224, segments);
        float[] alone = it.Store(rig, CudaGemmTile.All[0], biased: true);
        long compared = 0;
        foreach (int rows in BatchSizes)
        {
            foreach (CudaGemmTile tile in CudaGemmTile.All)
            {
                // The last rows, so that a row's place differs from batch to batch.
                Product batch = it.Last(rows);
                float[] actual = batch.Store(rig, tile, biased: true);
                TestTensors.AssertSameBits(
                    actual, alone.AsSpan((1024 - rows) * it.Outputs), $"{tile.Name}, {rows} rows");
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
        float[] whole = it.Add(rig, CudaGemmTile.All[1], residual: 0.5f);
        ulong output = rig.Upload<float>(Filled(it.Rows * it.Outputs, 0.5f));
        ulong[] partials = new ulong[4];
        for (int rank = 0; rank < ranks; rank++)
            partials[rank] = it.OfRank(rank, ranks).Partial(rig, CudaGemmTile.All[rank % 3]);
        int count = ranks;
        if (ranks == 1)
            (partials, count) = (it.Apart(rig, CudaGemmTile.All[2]), 4);
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
        float[] both = it.Store(rig, CudaGemmTile.All[0], biased: true);
        foreach (CudaGemmTile tile in CudaGemmTile.All)
        {
            float[] actual = it.Gated(rig, tile);
            for (int i = 0; i < actual.Length; i++)
            {
                int at = (i / 48 * it.Outputs) + GatedRows.IndexOf(i % 48);
                double gate = both[at], up = both[at + GatedRows.RunRows];
                double expected = gate / (1 + Math.Exp(-gate)) * up;
                Assert.That(
                    actual[i], Is.EqualTo(expected).Within(Math.Abs(expected) / 250), $"{tile.Name}, {i}");
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

        public float[] Store(KernelRig rig, CudaGemmTile tile, bool biased) =>
            Run(rig, tile, CudaGemmEpilogue.Store, biased, rig.Allocate<float>(Rows * Outputs));

        public float[] Add(KernelRig rig, CudaGemmTile tile, float residual) =>
            Run(rig, tile, CudaGemmEpilogue.Add, true, rig.Upload<float>(Filled(Rows * Outputs, residual)));

        /// <summary>What one rank makes of its columns.</summary>
        public ulong Partial(KernelRig rig, CudaGemmTile tile)
        {
            ulong output = rig.Allocate<float>(Rows * Outputs);
            Run(rig, tile, CudaGemmEpilogue.Store, false, output);
            return output;
        }

        /// <summary>Every segment by itself, in blocks of their own.</summary>
        public ulong[] Apart(KernelRig rig, CudaGemmTile tile)
        {
            ulong output = rig.Allocate<float>(Rows * Outputs * Segments);
            Run(rig, tile, CudaGemmEpilogue.Partials, false, output);
            ulong bytes = (ulong)(Rows * Outputs * sizeof(float));
            return [output, output + bytes, output + (2 * bytes), output + (3 * bytes)];
        }

        public float[] Gated(KernelRig rig, CudaGemmTile tile)
        {
            ulong output = rig.Allocate<ushort>(Rows * Outputs / 2);
            Launch(rig, tile, CudaGemmEpilogue.SwiGlu, true, output, Outputs / 2);
            return rig.ReadHalves(output, Rows * Outputs / 2);
        }

        public override string ToString() => $"[{Rows}, {Columns}] x [{Outputs}], {Segments} segments";

        private float[] Run(
            KernelRig rig, CudaGemmTile tile, CudaGemmEpilogue epilogue, bool biased, ulong output)
        {
            Launch(rig, tile, epilogue, biased, output, Outputs);
            return rig.Read<float>(output, Rows * Outputs);
        }

        private void Launch(
            KernelRig rig, CudaGemmTile tile, CudaGemmEpilogue epilogue, bool biased, ulong output,
            int stride)
        {
            bool apart = epilogue == CudaGemmEpilogue.Partials;
            CudaGemmArgs args = new()
            {
                Input = rig.Upload<ushort>(_input) + (ulong)(_firstColumn * 2),
                Weight = rig.Upload<ushort>(_weight) + (ulong)(_firstColumn * 2),
                Bias = biased ? rig.Upload<float>(Bias) : 0, Output = output,
                InputStride = _stride, WeightStride = _stride, OutputStride = stride,
                SegmentStride = Rows * Outputs, Rows = Rows, Outputs = Outputs, Columns = Columns,
                Segments = Segments, Epilogue = epilogue,
            };
            rig.Launch(
                tile.Name,
                new((Outputs + tile.Outputs - 1) / tile.Outputs, (Rows + tile.Rows - 1) / tile.Rows,
                    apart ? Segments : 1),
                tile.Threads, tile.SharedBytes(apart ? 1 : Segments), args);
        }
    }
}
