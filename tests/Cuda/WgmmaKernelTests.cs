using PdEngine.Bench;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>
/// The candidate product by wgmma and the copy engine: under the emulator, which adds in one order for both,
/// it has the bits of the product that the engine takes. What a GPU adds, gpu-check finds.
/// </summary>
[Category("Cuda")]
public sealed class WgmmaKernelTests
{
    private const int MostSharedBytes = 227 * 1024;

    // Rows x columns x outputs x segments: those of the product tests, then tiles and stages by the dozen.
    private static readonly int[][] Shapes =
    [
        [1, 64, 96, 1], [3, 96, 64, 4], [17, 24, 40, 1], [65, 272, 130, 2], [130, 1024, 72, 4], [2, 8, 33, 1],
        [200, 456, 300, 1], [257, 192, 224, 2],
    ];

    /// <summary>Of the kernels pd_planted_*_gemm_wgmma_*.</summary>
    public static IReadOnlyList<string> PlantedBugs { get; } =
        ["descriptor", "early_release", "few_bytes", "no_fence", "no_load_wait", "parity", "stage_reuse"];

    [Test]
    public void It_has_the_bits_of_the_engines_product(
        [ValueSource(nameof(Shapes))] int[] shape,
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        WgmmaTrial it = new(rig, shape[0], shape[1], shape[2], shape[3]);
        foreach (CudaGemmEpilogue epilogue in (CudaGemmEpilogue[])
            [CudaGemmEpilogue.Store, CudaGemmEpilogue.Add, CudaGemmEpilogue.Partials])
        {
            float[] expected = it.ByMma(epilogue);
            foreach (WgmmaTile tile in WgmmaTile.All)
            {
                bool isApart = epilogue == CudaGemmEpilogue.Partials;
                if (it.Takes(tile, isApart))
                    AssertSame(it.By(tile.Name, tile, epilogue), expected, $"{tile} {epilogue} {it}", seed);
                if (tile.HasSegments && shape[3] > 1 && !isApart)
                    AssertSame(
                        it.By(tile.Name, tile, epilogue, isSpread: true), expected,
                        $"{tile} {epilogue} spread {it}", seed);
            }
        }
    }

    [Test]
    public void Its_gates_have_the_bits_of_the_engines([Values(1, 16, 130)] int rows)
    {
        using KernelRig rig = new();
        WgmmaTrial it = new(rig, rows, 72, GatedRows.CountOf(144), 1);
        float[] expected = it.ByMma(CudaGemmEpilogue.SwiGlu);
        foreach (WgmmaTile tile in WgmmaTile.All)
            AssertSame(it.By(tile.Name, tile, CudaGemmEpilogue.SwiGlu), expected, $"{tile} {it}", 0);
    }

    [Test]
    public void A_planted_bug_is_found_by_some_schedule(
        [ValueSource(nameof(PlantedBugs))] string bug, [Values(0, 1)] int index)
    {
        WgmmaTile tile = WgmmaTile.All[index];
        Assert.That(Findings(tile.Name, tile), Has.All.Empty);
        Assert.That(
            Findings($"pd_planted_{bug}_{tile.Name["pd_".Length..]}", tile), Has.Some.Not.Empty, bug);
    }

    // What the emulator says in one schedule at least.
    [TestCase("no_fence", "without the fence")]
    [TestCase("stage_reuse", "more than the mbarrier takes")]
    [TestCase("early_release", "under way reads|left that nobody waited for")]
    [TestCase("no_load_wait", "without having awaited it")]
    [TestCase("parity", "has yet to fill")]
    public void A_planted_bug_is_named(string bug, string expected) =>
        Assert.That(
            Findings($"pd_planted_{bug}_gemm_wgmma_n128", WgmmaTile.All[0]), Has.Some.Match(expected));

    /// <summary>What several schedules find wrong with a kernel; empty: nothing.</summary>
    private static string[] Findings(string kernel, WgmmaTile tile)
    {
        string[] findings = new string[4];
        for (int seed = 0; seed < findings.Length; seed++)
        {
            using KernelRig rig = new((ulong)seed);
            WgmmaTrial it = new(rig, 70, 520, 150, 1);
            try
            {
                float[] expected = it.ByMma(CudaGemmEpilogue.Store);
                float[] actual = it.By(kernel, tile, CudaGemmEpilogue.Store);
                int same = expected.AsSpan().CommonPrefixLength(actual);
                findings[seed] = same == expected.Length ? "" : $"element {same} is {actual[same]}";
            }
            catch (CudaException fault)
            {
                findings[seed] = fault.Message;
            }
        }
        return findings;
    }

    private static void AssertSame(float[] actual, float[] expected, string what, ulong seed) =>
        TestTensors.AssertSameBits(actual, expected, $"{what}, seed {seed}");

    /// <summary>Operands exact in bf16, by the engine's lowest tile or by a candidate.</summary>
    private sealed class WgmmaTrial
    {
        private readonly KernelRig _rig;
        private readonly CudaGemmShape _shape;
        private readonly CudaGemmArgs _args;

        public WgmmaTrial(KernelRig rig, int rows, int columns, int outputs, int segments)
        {
            Random random = new(rows + columns);
            (_rig, _shape) = (rig, new(rows, outputs, columns, segments));
            _args = new()
            {
                Input = rig.Upload<ushort>(KernelRig.ToHalves(TestTensors.Values(random, rows * columns))),
                Weight = rig.Upload<ushort>(
                    KernelRig.ToHalves(TestTensors.Values(random, outputs * columns))),
                Bias = rig.Upload<float>(TestTensors.Values(random, outputs)),
                InputStride = columns, WeightStride = columns, OutputStride = outputs,
                SegmentStride = rows * outputs, Rows = rows, Outputs = outputs, Columns = columns,
                Segments = segments,
            };
        }

        public bool Takes(WgmmaTile tile, bool isApart) =>
            (tile.HasSegments || _shape.Segments == 1 || isApart)
            && tile.SharedBytes(_shape.Segments, isApart) <= MostSharedBytes;

        public float[] ByMma(CudaGemmEpilogue epilogue)
        {
            CudaGemmPlan plan = CudaGemmPlan.Of(_shape, 0, isSpread: false);
            bool isApart = epilogue == CudaGemmEpilogue.Partials;
            CudaExtent grid = new(plan.Grid.X, plan.Grid.Y, isApart ? _shape.Segments : 1);
            CudaGemmArgs args = With(epilogue);
            _rig.Launch(plan.Tile.Name, grid, plan.Tile.Threads, plan.SharedBytes, args);
            return Read(args);
        }

        public float[] By(string kernel, WgmmaTile tile, CudaGemmEpilogue epilogue, bool isSpread = false)
        {
            bool isApart = isSpread || epilogue == CudaGemmEpilogue.Partials;
            CudaExtent grid = tile.Grid(_shape, isApart);
            CudaGemmArgs args = With(epilogue);
            int tiles = grid.X * grid.Y;
            if (isSpread)
            {
                args.Arrivals = _rig.Upload<int>(new int[tiles]);
                args.Scratch = _rig.Allocate<float>(
                    (long)tiles * _shape.Segments * WgmmaTile.Rows * tile.Outputs);
            }
            _rig.Launch(
                kernel, grid, WgmmaTile.Threads, tile.SharedBytes(_shape.Segments, isApart),
                tile.Args(_rig.Driver, args));
            if (isSpread)
                Assert.That(_rig.Read<int>(args.Arrivals, tiles), Is.All.Zero, "counts for the next");
            return Read(args);
        }

        public override string ToString() => _shape.ToString();

        private CudaGemmArgs With(CudaGemmEpilogue epilogue)
        {
            CudaGemmArgs args = _args;
            args.Epilogue = epilogue;
            bool isGated = epilogue == CudaGemmEpilogue.SwiGlu;
            float[] residual = new float[_shape.Rows * _shape.Outputs * _shape.Segments];
            Array.Fill(residual, epilogue == CudaGemmEpilogue.Add ? 0.5f : float.NaN);
            args.Output = _rig.Upload<float>(residual);
            args.OutputStride = isGated ? _shape.Outputs / 2 : _shape.Outputs;
            args.Bias = epilogue == CudaGemmEpilogue.Partials ? 0 : args.Bias;
            return args;
        }

        private float[] Read(in CudaGemmArgs args)
        {
            int count = _shape.Rows * _shape.Outputs;
            return args.Epilogue switch
            {
                CudaGemmEpilogue.SwiGlu => _rig.ReadHalves(args.Output, count / 2),
                CudaGemmEpilogue.Partials => _rig.Read<float>(args.Output, count * _shape.Segments),
                _ => _rig.Read<float>(args.Output, count),
            };
        }
    }
}
