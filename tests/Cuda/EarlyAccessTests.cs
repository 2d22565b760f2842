using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>
/// A kernel that starts early touches nothing that the kernel before it may write until it has awaited that.
/// </summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed class EarlyAccessTests
{
    private const int Count = 64;

    private static readonly float[] Ones = [.. Enumerable.Repeat(1f, Count)];

    [Test]
    public void What_a_kernel_touches_before_it_awaits_is_a_fault(
        [Values(0, 1, 2, 3)] int kind, [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed,
        [Values] bool isEarly)
    {
        using KernelRig rig = new(seed);
        CudaException fault = Assert.Throws<CudaException>(() => Run(rig, kind, isEarly))!;
        Assert.That(
            fault.Message,
            Does.Contain("pd_planted_early: block (0, 0, 0): thread").And
                .Contain(kind == 3 ? "an asynchronous copy of 16 bytes" : "an access").And
                .Contain($"pointer at byte {(kind is 1 or 2 ? 16 : 8)} of its arguments").And
                .Contain("before it awaited the kernel before"));
    }

    [Test]
    public void A_kernel_that_awaits_sees_what_the_one_before_wrote(
        [Values(-1, 7)] int kind, [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        Assert.That(Run(rig, kind, isEarly: true), Is.EqualTo(Ones));
    }

    // No access says that it is one, but the kernel has started when the one before it runs.
    [Test]
    public void What_is_read_unseen_before_the_kernel_before_has_ended_is_stale(
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        Assert.That(Run(rig, 4, isEarly: true), Is.All.Zero);
        Assert.That(Run(rig, 4, isEarly: false), Is.EqualTo(Ones));
    }

    [Test]
    public void Shared_memory_may_be_used_at_once(
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        Assert.That(Run(rig, 6, isEarly: true), Is.All.EqualTo(7));
    }

    [Test]
    public void What_no_kernel_writes_may_be_copied_early_and_what_one_wrote_may_not(
        [Values] bool isWritten, [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        if (!isWritten)
        {
            Assert.That(Run(rig, 5, isEarly: true, rig.Upload<float>(new float[Count])), Is.EqualTo(Ones));
            return;
        }
        CudaException fault = Assert.Throws<CudaException>(() => Run(rig, 5, isEarly: true))!;
        Assert.That(
            fault.Message,
            Does.Contain("pd_planted_early: block (0, 0, 0): thread").And.Contain("which has written them"));
    }

    [Test]
    public void A_product_that_fetches_its_input_before_the_kernel_before_has_ended_is_found(
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        CudaException fault = Assert.Throws<CudaException>(
            () => Multiply(rig, "pd_planted_early_input_gemm_m16", writesWeight: false))!;
        Assert.That(
            fault.Message,
            Does.Contain("an asynchronous copy of 16 bytes").And.Contain("pointer at byte 0 of its arguments")
                .And.Contain("before it awaited the kernel before"));
    }

    // By a name that says that no kernel writes them: the values do not agree.
    [Test]
    public void A_product_that_takes_its_input_for_a_weight_is_found(
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        CudaException fault = Assert.Throws<CudaException>(
            () => Multiply(rig, "pd_planted_early_named_gemm_m16", writesWeight: false))!;
        Assert.That(
            fault.Message,
            Does.Contain("gemm_m16: block (0, 0, 0): thread").And.Contain("which has written them"));
    }

    [Test]
    public void A_product_that_starts_early_has_the_input_that_the_kernel_before_writes(
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        Assert.That(Multiply(rig, "pd_gemm_m16", writesWeight: false), Is.All.EqualTo(16f * 64));
    }

    [Test]
    public void A_product_whose_weight_the_kernel_before_writes_is_found(
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        CudaException fault = Assert.Throws<CudaException>(
            () => Multiply(rig, "pd_gemm_m16", writesWeight: true))!;
        Assert.That(
            fault.Message,
            Does.Contain("pd_gemm_m16: block (0, 0, 0)").And.Contain("which has written them"));
    }

    /// <summary>A kernel that comes after one that makes ones of zeros.</summary>
    /// <param name="rig">Where.</param>
    /// <param name="kind">What it does early.</param>
    /// <param name="isEarly">It may start before the other has ended.</param>
    /// <param name="other">Memory that is written in place of what it reads; 0: that.</param>
    private static float[] Run(KernelRig rig, int kind, bool isEarly, ulong other = 0)
    {
        ulong memory = rig.Upload<float>(other == 0 ? new float[Count] : Ones);
        ulong output = rig.Allocate<float>(Count);
        KernelRig.PlantedEarly args = new() { Kind = kind, Memory = memory, Output = output };
        CudaRig.Probe before = Adds(other == 0 ? memory : other, Count, 1);
        if (isEarly)
        {
            rig.LaunchEarly("pd_planted_early", new(1), Count, Count * sizeof(float), args, before);
        }
        else
        {
            rig.Launch("pd_standin_probe", new(1), 32, 0, before);
            rig.Launch("pd_planted_early", new(1), Count, Count * sizeof(float), args);
        }
        return rig.Read<float>(output, Count);
    }

    /// <summary>Fours times fours, where the kernel before makes those of one operand of ones.</summary>
    private static float[] Multiply(KernelRig rig, string kernel, bool writesWeight)
    {
        const int rows = 3, columns = 64, outputs = 32;
        // Pairs of bf16: a float added to one gives the other.
        float ones = BitConverter.UInt32BitsToSingle(0x3f803f80);
        float fours = BitConverter.UInt32BitsToSingle(0x40804080);
        int inputPairs = rows * columns / 2, weightPairs = outputs * columns / 2;
        ulong input = rig.Upload<float>([.. Enumerable.Repeat(writesWeight ? fours : ones, inputPairs)]);
        ulong weight = rig.Upload<float>([.. Enumerable.Repeat(writesWeight ? ones : fours, weightPairs)]);
        ulong output = rig.Allocate<float>(rows * outputs);
        CudaGemmArgs args = new()
        {
            Input = input, Weight = weight, Output = output, InputStride = columns, WeightStride = columns,
            OutputStride = outputs, Rows = rows, Outputs = outputs, Columns = columns, Segments = 1,
            Epilogue = CudaGemmEpilogue.Store,
        };
        CudaGemmTile tile = CudaGemmTile.All[0];
        CudaRig.Probe before = Adds(
            writesWeight ? weight : input, writesWeight ? weightPairs : inputPairs, fours - ones);
        rig.LaunchEarly(kernel, new(1), tile.Threads, tile.SharedBytes(1), args, before);
        return rig.Read<float>(output, rows * outputs);
    }

    private static CudaRig.Probe Adds(ulong memory, int count, float value) =>
        new() { Source = memory, Target = memory, Count = count, Value = value };
}
