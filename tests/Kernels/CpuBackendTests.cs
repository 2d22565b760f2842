namespace PdEngine.Tests;

public sealed class CpuBackendTests
{
    [Test]
    public void An_embedding_is_the_weight_rounded_to_nearest_even(
        [Values] CpuIsa isa, [Values(1, 31, 33, 200)] int rows, [Values(1, 16, 65, 576)] int columns)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        float[] values = CpuTestBackend.Values(1, rows * columns);
        values[0] = BitConverter.UInt32BitsToSingle(0x3f808000);
        values[^1] = BitConverter.UInt32BitsToSingle(0x3f818000);
        using Matrix table = TestTensors.Matrix(backend, rows, columns, 1, values);
        int[] ids = [rows - 1, 0, rows / 2, 0, rows / 3];
        using Tensor output = CpuTestBackend.Rows(new float[ids.Length * columns], ids.Length, columns);
        backend.Embed(table, ids, output);
        for (int index = 0; index < ids.Length; index++)
        {
            int start = ids[index] * columns;
            float[] expected = CpuTestBackend.ToBFloat16(values[start..(start + columns)]);
            TestTensors.AssertSameBits(output.Row(index), expected);
        }
    }

    [Test]
    public void Infinities_and_nans_of_a_weight_stay_what_they_are([Values] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        float smallNan = BitConverter.UInt32BitsToSingle(0x7f800001);
        float infinity = float.PositiveInfinity;
        float[] values = [infinity, -infinity, float.NaN, smallNan, float.MaxValue];
        using Matrix table = TestTensors.Matrix(backend, 1, values.Length, 1, values);
        using Tensor output = CpuTestBackend.Rows(new float[values.Length], 1, values.Length);
        backend.Embed(table, [0], output);
        float[] expected = [infinity, -infinity, float.NaN, float.NaN, infinity];
        Assert.That(output.Row(0).ToArray(), Is.EqualTo(expected).AsCollection);
    }

    [Test]
    public void A_token_outside_the_table_is_refused([Values] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        using Matrix table = TestTensors.Matrix(backend, 40, 8, 1, new float[40 * 8]);
        using Tensor output = CpuTestBackend.Rows(new float[8], 1, 8);
        BackendException error = Assert.Throws<BackendException>(() => backend.Embed(table, [40], output))!;
        Assert.That(error.Message, Does.Contain("id 40"));
    }

    [Test]
    public void A_failing_reader_fails_the_load_with_its_own_error()
    {
        using CpuBackend backend = CpuTestBackend.Create(CpuIsa.Auto, threadCount: 3);
        MatrixReader torn = (_, _, _) => throw new CheckpointException("model.gguf", "torn");
        Assert.Throws<CheckpointException>(
            () => backend.LoadMatrix(500, 64, 1, MatrixElement.Native, torn));
    }

    [Test]
    public void An_absent_instruction_set_is_refused_with_the_reason([Values] CpuIsa isa)
    {
        if (CpuIsaSupport.WhyNot(isa) is not { } reason)
        {
            using CpuBackend backend = CpuTestBackend.Create(isa, threadCount: 1);
            Assert.That(backend.Name, Is.EqualTo($"cpu/{CpuIsaSupport.NameOf(CpuIsaSupport.Resolve(isa))}"));
            return;
        }
        BackendException error = Assert.Throws<BackendException>(
            () => CpuDevices.Open(new CpuBackendOptions { Isa = isa }))!;
        Assert.That(error.Message, Does.Contain(reason));
    }

    [Test]
    public void The_instruction_sets_found_are_those_the_system_lists()
    {
        string[] flags = File.ReadLines("/proc/cpuinfo").First(line => line.StartsWith("flags")).Split(' ');
        Assert.That(CpuIsaSupport.WhyNot(CpuIsa.Avx2) is null, Is.EqualTo(flags.Contains("avx2")));
        Assert.That(CpuIsaSupport.WhyNot(CpuIsa.Avx512) is null, Is.EqualTo(flags.Contains("avx512bw")));
        Assert.That(CpuIsaSupport.WhyNot(CpuIsa.Amx) is null, Is.EqualTo(flags.Contains("amx_bf16")));
    }

    [Test]
    public void Fewer_cores_than_threads_are_refused()
    {
        CpuBackendOptions options = new() { Cores = [0], ThreadCount = 2 };
        Assert.Throws<BackendException>(() => CpuDevices.Open(options));
    }

    [Test]
    public void A_store_larger_than_memory_costs_address_space_only()
    {
        using CpuBackend backend = CpuTestBackend.Create(CpuIsa.Auto);
        KvLayout layout = KvLayout.GroupedQuery(28, 64, 8, 128, backend.KvElement);
        using KvStore store = backend.CreateKvStore(layout, 20_000);
        Assert.That(store.BlockCount, Is.EqualTo(20_000));
    }

    [Test]
    public void A_steady_step_allocates_nothing([Values] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        using Matrix table = TestTensors.Matrix(backend, 96, 64, 4, CpuTestBackend.Values(1, 96 * 64));
        using Tensor hidden = CpuTestBackend.Rows(new float[5 * 64], 5, 64);
        using Tensor normed = CpuTestBackend.Rows(new float[5 * 64], 5, 64);
        using Tensor output = CpuTestBackend.Rows(new float[5 * 96], 5, 96);
        using Tensor gated = CpuTestBackend.Rows(new float[5 * 48], 5, 48);
        using Tensor gathered = CpuTestBackend.Rows(new float[2 * 64], 2, 64);
        using Tensor weight = CpuTestBackend.Row(CpuTestBackend.Values(2, 64));
        int[] ids = [1, 2, 3, 4, 95];
        int[] rows = [4, 1];
        long allocated = 0;
        for (int step = 0; step < 20; step++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            backend.Embed(table, ids, hidden);
            backend.RmsNorm(hidden, weight, 1e-5f, normed);
            backend.MatMul(normed, table, null, output);
            backend.MatMulAdd(normed, table, null, output);
            backend.MatMulSwiGlu(normed, table, null, gated);
            backend.GatherRows(hidden, rows, gathered);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Assert.That(allocated, Is.Zero);
    }
}
