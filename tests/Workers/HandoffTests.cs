namespace PdEngine.Tests;

public sealed class HandoffTests
{
    private static readonly SchedulerOptions Chunked = RouterRig.Options with { PrefillChunkTokens = 8 };

    [Test]
    public void Inside_a_domain_blocks_change_owner_and_no_byte_moves()
    {
        using RouterRig rig = Pair(sharesDomain: true, 64);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(20), newTokens: 5);
        while (call.Sequence!.Phase != SequencePhase.Decoding)
            rig.Step();
        Assert.That(rig.Worker(0).Space.ChargedBlocks, Is.Zero);
        Assert.That(rig.Worker(1).Space.ChargedBlocks, Is.GreaterThan(0));
        rig.RunToEnd(call);
        PdRecord record = call.Sequence.Pd;
        Assert.That(record.Path, Is.EqualTo(PdPath.Handoff));
        Assert.That((record.TransferBytes, record.HandoffBlocks), Is.EqualTo((0L, 5)));
        rig.AssertEmpty();
    }

    [Test]
    public void Between_domains_blocks_are_copied_while_the_prompt_is_computed()
    {
        using RouterRig rig = Pair(sharesDomain: false, 64);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(40), newTokens: 5);
        rig.Step();
        rig.Step();
        Assert.That(call.Sequence!.Phase, Is.EqualTo(SequencePhase.Prefilling));
        Assert.That(rig.Transfer!.CopyCount, Is.GreaterThan(0));
        Assert.That(rig.Worker(1).Space.ChargedBlocks, Is.EqualTo(10));
        rig.RunToEnd(call);
        Assert.That(call.Sequence.Pd.Path, Is.EqualTo(PdPath.Copy));
        Assert.That(call.Sequence.Pd.TransferBytes, Is.EqualTo(10 * FakeKvTransfer.BytesPerBlock));
        rig.AssertEmpty();
    }

    [Test]
    public void What_the_decode_worker_has_cached_is_not_copied()
    {
        using RouterRig rig = Pair(sharesDomain: false, 64);
        int[] prompt = WorkerRig.Tokens(40);
        rig.RunToEnd(rig.Submit(prompt, newTokens: 3));
        SimulatedCall again = rig.Submit([.. prompt, 1, 2, 3, 4], newTokens: 3);
        rig.RunToEnd(again);
        Assert.That(again.Sequence!.Pd.TransferBytes, Is.EqualTo(FakeKvTransfer.BytesPerBlock));
    }

    [Test]
    public void A_hand_off_aborted_at_any_time_leaves_no_block_behind([Range(0, 14)] int steps)
    {
        using RouterRig rig = Pair(sharesDomain: false, 64);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(60), newTokens: 50);
        for (int i = 0; i < steps; i++)
            rig.Step();
        rig.Abort(call);
        rig.RunToEnd(call);
        rig.Step();
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Abort));
        Assert.That((rig.Worker(0).RequestCount, rig.Worker(1).RequestCount), Is.EqualTo((0, 0)));
        rig.AssertEmpty();
    }

    [Test]
    public void A_worker_that_dies_at_any_time_costs_no_token_and_no_block(
        [Range(1, 14)] int steps, [Values(0, 1)] int dying, [Values] bool sharesDomain)
    {
        using RouterRig rig = Pair(sharesDomain, 64);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(60), newTokens: 20);
        for (int i = 0; i < steps; i++)
            rig.Step();
        rig.Kill(dying);
        rig.RunToEnd(call);
        rig.Step();
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Length));
        rig.AssertEmpty();
    }

    [Test]
    public void A_slow_decode_worker_holds_prefill_back_through_the_blocks_it_has_not_adopted()
    {
        SchedulerOptions options = RouterRig.Options with { MaxRunningSequences = 1, QuotaBlocks = 12 };
        using RouterRig rig = new(
            sharesDomain: true, [64], options, WorkerType.Prefill, WorkerType.Decode);
        SimulatedCall[] calls =
            [.. Enumerable.Range(1, 5).Select(seed => rig.Submit(WorkerRig.Tokens(20, seed), newTokens: 4))];
        for (int i = 0; i < 5; i++)
            rig.Worker(0).Step();
        Assert.That(rig.Worker(0).Space.ChargedBlocks, Is.EqualTo(10));
        Assert.That(calls.Count(call => call.Sequence!.Phase == SequencePhase.HandingOff), Is.EqualTo(2));
        rig.RunToEnd(calls);
    }

    [Test]
    public void A_copy_that_throws_fails_its_worker_and_nothing_else()
    {
        using RouterRig rig = Pair(sharesDomain: false, 64);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(40), newTokens: 5);
        rig.Worker(0).Step();
        rig.Transfer!.NextCopyFails = true;
        BackendException cause = Assert.Throws<BackendException>(() => rig.Worker(1).Step())!;
        rig.Worker(1).Fail(cause);
        rig.RunToEnd(call);
        Assert.That(call.Sequence!.Pd.Path, Is.EqualTo(PdPath.Local));
        Assert.That(call.Sequence.Pd.Reason, Is.EqualTo(PdReasons.DecodeWorkerFailed));
        rig.AssertEmpty();
    }

    [Test]
    public void A_retracted_sequence_is_computed_anew_where_it_came_from([Values] bool sharesDomain)
    {
        SchedulerOptions eager = RouterRig.Options with { Conservativeness = 0 };
        using RouterRig rig = new(
            sharesDomain, [64, 20], eager with { QuotaBlocks = 20 }, WorkerType.Prefill, WorkerType.Decode);
        SimulatedCall[] calls =
            [.. Enumerable.Range(1, 4).Select(seed => rig.Submit(WorkerRig.Tokens(4, seed), newTokens: 60))];
        rig.RunToEnd(calls);
        Assert.That(rig.Worker(1).Snapshot().RetractionCount, Is.GreaterThan(0));
        long computedTokens = rig.Worker(0).Snapshot().PrefillTokenCount;
        Assert.That(computedTokens, Is.GreaterThan(16), "nothing was computed again at the prefill worker");
        rig.AssertEmpty();
    }

    [Test]
    public void Small_prompts_of_the_decode_worker_do_not_hold_a_large_hand_off_back_for_ever()
    {
        using RouterRig rig = Pair(sharesDomain: false, 16);
        SimulatedCall first = new(New(100, WorkerRig.Tokens(8), newTokens: 20));
        rig.Worker(1).Submit(first.Open(0));
        rig.Worker(1).Step();
        SimulatedCall large = rig.Submit(WorkerRig.Tokens(50), newTokens: 10);
        for (int i = 0; large.Sequence!.Phase != SequencePhase.Decoding; i++)
        {
            Assert.That(i, Is.LessThan(200), "the large hand-off starves");
            SimulatedCall small = new(New(101 + i, WorkerRig.Tokens(8, i), newTokens: 20));
            rig.Worker(1).Submit(small.Open(0));
            rig.Step();
        }
    }

    private static RouterRig Pair(bool sharesDomain, int blockCount) =>
        new(sharesDomain, [blockCount], Chunked, WorkerType.Prefill, WorkerType.Decode);

    private static Request New(long id, int[] prompt, int newTokens) => new()
    {
        Id = new(id),
        PromptTokens = prompt,
        Seed = 1,
        StopTokenIds = [],
        PenaltyPromptCount = prompt.Length,
        Sampling = new() { MaxNewTokens = newTokens },
    };
}
