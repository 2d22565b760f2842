using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The binding of cuBLASLt, against a stand-in that runs on virtual GPUs.</summary>
[Category("Cuda")]
public sealed unsafe class CublasTests
{
    [SetUp]
    [TearDown]
    public void All_is_well_again() => LibraryStandIns.SetCublas();

    [Test]
    public void A_missing_library_is_named_with_what_to_do()
    {
        CudaException missing = Assert.Throws<CudaException>(() => CublasLt.Open("no-such/libcublasLt.so"))!;
        Assert.That(missing.Message, Does.Contain("cuBLASLt was not found")
            .And.Contain("no-such/libcublasLt.so: there is no such file").And.Contain("gemm at own"));
    }

    [Test]
    public void Only_names_of_this_system_are_tried()
    {
        try
        {
            CublasLt.Open(path: null);
            Assert.Ignore("this machine has the library");
        }
        catch (CudaException missing)
        {
            Assert.That(missing.Message.Contains(".dll", StringComparison.Ordinal),
                Is.EqualTo(OperatingSystem.IsWindows()), missing.Message);
        }
    }

    [Test]
    public void A_library_that_is_too_old_says_which_would_do()
    {
        LibraryStandIns.SetCublas(version: 111103);
        CudaException old = Assert.Throws<CudaException>(() => CublasLt.Open(LibraryStandIns.Cublas))!;
        Assert.That(old.Message, Does.Contain("cuBLASLt 11.11.3").And.Contain("12.0.0 or newer"));
    }

    [Test]
    public void Products_are_those_of_the_sum([Values] bool hasBias, [Values] bool adds)
    {
        using CudaRig rig = new();
        using CublasProducts products = new(CublasLt.Open(LibraryStandIns.Cublas), rig.Context);
        foreach (int rows in new[] { 1, 3, 3, 17 })
        {
            const int outputs = 10, columns = 24, inputStride = 32, outputStride = 16;
            CublasShape shape = new(
                rows, outputs, columns, inputStride, columns, outputStride, hasBias, adds);
            Random random = new(rows);
            float[] input = Values(random, rows * inputStride), weight = Values(random, outputs * columns);
            float[] bias = Values(random, outputs), output = Values(random, rows * outputStride);
            // As where a rank's columns of the logits begin.
            int offset = rows == 3 ? 128 : 0;
            ulong target = Put(rig, [.. new float[offset / sizeof(float)], .. output]).First + (ulong)offset;
            products.Multiply(
                shape, PutHalf(rig, input).First, PutHalf(rig, weight).First,
                hasBias ? Put(rig, bias).First : 0, target, rig.Stream);
            float[] made = rig.Read(rig.Stream, target, output.Length);
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < outputStride; column++)
                {
                    int at = (row * outputStride) + column;
                    double wanted = output[at];
                    if (column < outputs)
                    {
                        wanted = (adds ? wanted : 0) + (hasBias ? bias[column] : 0);
                        for (int k = 0; k < columns; k++)
                            wanted += (double)input[(row * inputStride) + k] * weight[(column * columns) + k];
                    }
                    Assert.That(made[at], Is.EqualTo(wanted).Within(1e-4), $"{shape}, {row}, {column}");
                }
            }
        }
    }

    [Test]
    public void A_shape_without_a_kernel_is_said()
    {
        using CudaRig rig = new();
        using CublasProducts products = new(CublasLt.Open(LibraryStandIns.Cublas), rig.Context);
        using CudaBuffer room = rig.Device(1024);
        LibraryStandIns.SetCublas(findsNone: true);
        CudaException none = Assert.Throws<CudaException>(() => products.Multiply(
            new(4, 8, 8, 8, 8, 8, false, false), room.First, room.First, 0, room.First, rig.Stream))!;
        Assert.That(
            none.Message, Does.Contain("cublasLtMatmulAlgoGetHeuristic").And.Contain("not supported"));
    }

    [Test]
    public void A_stream_of_another_gpu_is_refused()
    {
        using CudaRig rig = new(2);
        using CublasProducts products = new(CublasLt.Open(LibraryStandIns.Cublas), rig.Context);
        using CudaBuffer room = rig.Device(1024);
        Assert.That(
            Assert.Throws<CudaException>(() => products.Multiply(
                new(4, 8, 8, 8, 8, 8, false, false), room.First, room.First, 0, room.First,
                rig.Streams[1]))!.Message,
            Does.Contain("cublasLtMatmul"));
    }

    [Test]
    public void What_is_made_is_given_back()
    {
        using CudaRig rig = new();
        long before = StandIn.UsedBytes(0);
        using (CublasProducts products = new(CublasLt.Open(LibraryStandIns.Cublas), rig.Context))
            Assert.That(StandIn.UsedBytes(0), Is.GreaterThan(before));
        Assert.That(StandIn.UsedBytes(0), Is.EqualTo(before));
    }

    [Test]
    public void Structs_have_the_librarys_sizes()
    {
        Assert.That(sizeof(CublasAlgorithm), Is.EqualTo(64));
        Assert.That(sizeof(CublasHeuristic), Is.EqualTo(96));
    }

    // Such as bf16 holds.
    private static float[] Values(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => random.Next(-64, 65) / 32f)];

    private static CudaBuffer Put(CudaRig rig, float[] values)
    {
        CudaBuffer buffer = rig.Device(values.Length);
        rig.Stream.CopyToDevice(buffer.First, rig.Pinned(values).First, values.Length * sizeof(float));
        return buffer;
    }

    private static CudaBuffer PutHalf(CudaRig rig, float[] values)
    {
        byte[] halves = new byte[values.Length * 2];
        FloatNarrowing.ToBFloat16(values, halves);
        CudaBuffer buffer = rig.Device(values.Length);
        fixed (byte* first = halves)
            rig.Stream.CopyToDevice(buffer.First, first, halves.Length);
        return buffer;
    }
}
