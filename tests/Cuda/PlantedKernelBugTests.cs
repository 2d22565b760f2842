using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Kernels and plans with a bug in them: what would find it does.</summary>
[Category("Cuda")]
public sealed class PlantedKernelBugTests
{
    private static readonly AttentionSetup Setup = new(0, 4, 2, 16, 16);
    private static readonly AttentionSequence Sequence = new(Setup, 9, 1300);
    private static readonly AttentionAsk[] Asks = [new(0, 0, 200), new(0, 1200, 100), new(0, 700, 1)];

    [Test]
    public void Nothing_is_found_where_nothing_was_planted() =>
        Assert.That(
            Enumerable.Range(0, 8).Select(seed => Finding("pd_attention_d", (ulong)seed)), Has.All.Empty);

    [Test]
    public void A_dropped_wait_for_keys_is_found() =>
        Assert.That(Finding("pd_planted_no_wait_attention_d", seed: 0), Is.Not.Empty);

    [Test]
    public void A_dropped_barrier_is_found_by_some_schedule() =>
        Assert.That(
            Enumerable.Range(0, 8).Select(seed => Finding("pd_planted_no_barrier_attention_d", (ulong)seed)),
            Has.Some.Not.Empty);

    [Test]
    public void A_query_that_is_fetched_before_the_kernel_before_has_ended_is_found() =>
        Assert.That(
            Enumerable.Range(0, 4).Select(seed => Finding("pd_planted_early_query_attention_d", (ulong)seed)),
            Has.All.Contains("an asynchronous copy").And.All.Contains("before it awaited the kernel before"));

    [Test]
    public void A_wrong_split_boundary_in_one_phase_is_found() =>
        Assert.That(Finding("pd_planted_split_boundary_attention_d", seed: 0), Does.Contain("element"));

    [Test]
    public void A_plan_that_gives_a_split_the_keys_of_another_is_found()
    {
        using KernelRig rig = new();
        AttentionKernelRun run = new(rig, Setup, Sequence);
        float[] right = run.Attend(Asks, 16, SplitDeal.Each);
        float[] wrong = run.Attend(Asks, 16, SplitDeal.Each, skip: 1);
        Assert.That(wrong, Is.Not.EqualTo(right));
    }

    /// <summary>
    /// What comparing prefill by a kernel with decode by the right one finds; empty: nothing.
    /// </summary>
    private static string Finding(string kernel, ulong seed)
    {
        using KernelRig rig = new(seed);
        float[] decoded = new AttentionKernelRun(rig, Setup, Sequence).Attend(Asks, 16, SplitDeal.Each);
        try
        {
            AttentionKernelRun run = new(rig, Setup, Sequence) { Kernel = kernel };
            float[] prefilled = run.Attend(Asks, 64, SplitDeal.Whole);
            int same = decoded.AsSpan().CommonPrefixLength(prefilled);
            return same == decoded.Length
                ? "" : $"element {same} is {prefilled[same]}, not {decoded[same]}";
        }
        catch (CudaException fault)
        {
            return fault.Message;
        }
    }
}
