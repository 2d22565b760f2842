using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The kernels that take a row a block, and copies of blocks.</summary>
[Category("Cuda")]
public sealed class RowKernelTests
{
    [Test]
    public void Rows_of_the_table_are_looked_up_by_id_or_by_draw([Values(4, 64, 772)] int columns)
    {
        using KernelRig rig = new();
        ushort[] table = KernelRig.ToHalves(TestTensors.Values(new Random(1), 9 * columns));
        int stride = (columns + 7) / 8 * 8;
        ushort[] padded = new ushort[9 * stride];
        for (int row = 0; row < 9; row++)
            table.AsSpan(row * columns, columns).CopyTo(padded.AsSpan(row * stride));
        int[] tokens = [3, 0, -2, 8, 9, -1];
        int[] expected = [3, 0, 5, 8, -1, -1];
        ulong output = rig.Allocate<float>(tokens.Length * columns);
        rig.Launch("pd_embed", new(tokens.Length), 128, 0, new CudaEmbedArgs
        {
            Table = rig.Upload<ushort>(padded), Tokens = rig.Upload<int>(tokens),
            Previous = rig.Upload<SampleResult>([new() { Token = -1 }, new() { Token = 5 }]),
            Output = output, TableStride = stride, OutputStride = columns, Columns = columns, Vocabulary = 9,
        });
        float[] actual = rig.Read<float>(output, tokens.Length * columns);
        for (int i = 0; i < actual.Length; i++)
        {
            int token = expected[i / columns];
            float value = token < 0
                ? 0
                : AttentionSequence.FromBFloat16(table[(token * columns) + (i % columns)]);
            Assert.That(actual[i], Is.EqualTo(value), $"row {i / columns}, column {i % columns}");
        }
    }

    [Test]
    public void A_norm_is_the_references_rounded(
        [Values(4, 64, 1000, 4096)] int columns,
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        const int rows = 5;
        Random random = new(columns);
        float[] input = TestTensors.Values(random, rows * columns);
        float[] weight = TestTensors.Values(random, columns);
        ulong output = rig.Allocate<ushort>(rows * columns);
        CudaRmsNormArgs args = new()
        {
            Input = rig.Upload<float>(input), Weight = rig.Upload<float>(weight), Output = output,
            InputStride = columns, OutputStride = columns, Columns = columns, Epsilon = 1e-5f,
        };
        rig.Launch("pd_rms_norm", new(rows), 128, 64, args);
        float[] actual = rig.ReadHalves(output, rows * columns);
        float[] expected = new float[columns];
        for (int row = 0; row < rows; row++)
        {
            ReferenceRows.Normalise(input.AsSpan(row * columns, columns), weight, 1e-5f, expected);
            for (int i = 0; i < columns; i++)
                Assert.That(
                    actual[(row * columns) + i], Is.EqualTo(expected[i]).Within(Math.Abs(expected[i]) / 250),
                    $"row {row}, column {i}, seed {seed}");
        }
        args.Input += (ulong)(3 * columns * sizeof(float));
        rig.Launch("pd_rms_norm", new(1), 128, 64, args);
        AttentionOracle.AssertSame(
            rig.ReadHalves(output, columns), actual.AsSpan(3 * columns, columns), "row 3 alone");
    }

    [Test]
    public void Rows_are_gathered_and_padding_is_left()
    {
        using KernelRig rig = new();
        float[] input = TestTensors.Values(new Random(2), 6 * 260);
        ulong output = rig.Upload<float>(new float[3 * 260]);
        rig.Launch("pd_gather_rows", new(3), 128, 0, new CudaGatherRowsArgs
        {
            Input = rig.Upload<float>(input), Rows = rig.Upload<int>([5, -1, 0]), Output = output,
            InputStride = 260, OutputStride = 260, Columns = 260,
        });
        float[] expected = [.. input[(5 * 260)..], .. new float[260], .. input[..260]];
        Assert.That(rig.Read<float>(output, 3 * 260), Is.EqualTo(expected));
    }

    // Between stores of other heads and layers, and through a dense buffer.
    [Test]
    public void Heads_of_blocks_are_copied_to_where_they_belong()
    {
        using KernelRig rig = new();
        const int layers = 3, headBytes = 64, sourceHeads = 4, targetHeads = 2;
        byte[] source = new byte[5 * layers * 2 * sourceHeads * headBytes];
        new Random(3).NextBytes(source);
        int[] from = [4, 0, 2], to = [1, 3, 0];
        byte[] before = new byte[4 * layers * 2 * targetHeads * headBytes];
        ulong target = rig.Upload<byte>(before);
        rig.Launch("pd_copy_blocks", new(2 * 2, 3), 256, 0, new CudaCopyBlocksArgs
        {
            Source = rig.Upload<byte>(source), Target = target, SourceBlocks = rig.Upload<int>(from),
            TargetBlocks = rig.Upload<int>(to), SourceBlockBytes = layers * 2 * sourceHeads * headBytes,
            SourceLayerBytes = 2 * sourceHeads * headBytes, SourcePlaneBytes = sourceHeads * headBytes,
            TargetBlockBytes = layers * 2 * targetHeads * headBytes,
            TargetLayerBytes = 2 * targetHeads * headBytes, TargetPlaneBytes = targetHeads * headBytes,
            HeadBytes = headBytes, SourceLayer = 1, TargetLayer = 0, SourceHead = 3, TargetHead = 1,
            Heads = 1, Planes = 2,
        });
        for (int i = 0; i < 3; i++)
        {
            for (int plane = 0; plane < 4; plane++)
            {
                int at = (((from[i] * layers * 2) + 2 + plane) * sourceHeads * headBytes) + (3 * headBytes);
                int there = (((to[i] * layers * 2) + plane) * targetHeads * headBytes) + headBytes;
                source.AsSpan(at, headBytes).CopyTo(before.AsSpan(there));
            }
        }
        Assert.That(rig.Read<byte>(target, before.Length), Is.EqualTo(before));
    }

    [Test]
    public void A_launch_that_no_gpu_would_take_is_refused_with_its_shape()
    {
        using KernelRig rig = new();
        CudaException refused = Assert.Throws<CudaException>(
            () => rig.Launch("pd_gather_rows", new(1), 64, 0, new CudaGatherRowsArgs()))!;
        Assert.That(refused.Message, Does.Contain("pd_gather_rows").And.Contain("(64, 1, 1)"));
    }

    [Test]
    public void A_misaligned_access_is_a_fault_with_its_place()
    {
        using KernelRig rig = new();
        ulong memory = rig.Upload<float>(new float[64]);
        CudaException fault = Assert.Throws<CudaException>(
            () => rig.Launch("pd_gather_rows", new(1), 128, 0, new CudaGatherRowsArgs
            {
                Input = memory + 4, Rows = rig.Upload<int>([0]), Output = memory, InputStride = 32,
                OutputStride = 32, Columns = 8,
            }))!;
        Assert.That(fault.Message, Does.Contain("block (0, 0, 0)").And.Contain("not aligned"));
    }
}
