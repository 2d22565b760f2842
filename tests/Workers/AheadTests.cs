namespace PdEngine.Tests;

/// <summary>A worker that starts a batch before it applies the one before.</summary>
public sealed class AheadTests
{
    private const int BlockCount = 32;
    private static readonly int[] Prompt = WorkerRig.Tokens(5);
    private static readonly SchedulerOptions Options = new() { ContextTokens = 100 };

    [Test]
    public void Decode_steps_are_started_before_the_last_ones_are_applied()
    {
        using WorkerRig rig = NewRig();
        SimulatedCall call = rig.Submit(Prompt, newTokens: 10);
        rig.Worker.Step();
        Assert.That(call.Sequence!.OutputCount, Is.Zero);
        for (int step = 1; step <= 9; step++)
        {
            rig.Worker.Step();
            // The first of them had to wait for the prompt.
            Assert.That(call.Sequence!.OutputCount, Is.EqualTo(step));
            Assert.That(rig.Runner.StartedCount, Is.EqualTo(1));
        }
        rig.RunToEnd(call);
        // No step is too many: the length is known before.
        Assert.That(rig.Runner.StartCount, Is.EqualTo(10));
        Assert.That(rig.Runner.AheadCount, Is.EqualTo(8));
    }

    [Test]
    public void A_stop_is_seen_one_step_late_and_gives_nothing_back_before()
    {
        int[] whole = Whole(10);
        using WorkerRig rig = NewRig();
        Request request = rig.NewRequest(Prompt, 10) with { StopTokenIds = [whole[4]] };
        SimulatedCall call = rig.Submit(request);
        while (call.Sequence!.Ending is null)
            rig.Worker.Step();
        Assert.That(call.Sequence.OutputTokens.ToArray(), Is.EqualTo(whole[..5]));
        Assert.That(call.Sequence.IsStarted, Is.True);
        Assert.That(call.Sequence.Blocks.Count, Is.GreaterThan(0));
        rig.Worker.Step();
        Assert.That(call.IsFinished, Is.True);
        Assert.That(call.Sequence.OutputTokens.ToArray(), Is.EqualTo(whole[..5]));
        Assert.That(call.Sequence.FinishReason, Is.EqualTo(FinishReason.Stop));
        rig.RunToEnd(call);
    }

    [Test]
    public void A_command_between_batches_finds_nothing_started()
    {
        using WorkerRig rig = NewRig();
        SimulatedCall call = rig.Submit(Prompt, newTokens: 10);
        for (int step = 0; step < 4; step++)
            rig.Worker.Step();
        Assert.That(rig.Runner.StartedCount, Is.EqualTo(1));
        int startedCount = -1, outputCount = -1;
        rig.Worker.TryPost(new WorkerCommand.Do(
            _ => (startedCount, outputCount) = (rig.Runner.StartedCount, call.Sequence!.OutputCount),
            new Rendezvous(1, () => { })));
        rig.Worker.Step();
        Assert.That(startedCount, Is.Zero);
        Assert.That(outputCount, Is.EqualTo(4));
        rig.RunToEnd(call);
    }

    [Test]
    public void An_abort_waits_for_the_started_batch_and_drops_what_it_draws()
    {
        using WorkerRig rig = NewRig();
        SimulatedCall call = rig.Submit(Prompt, newTokens: 10);
        for (int step = 0; step < 4; step++)
            rig.Worker.Step();
        call.Sequence!.AbortRequested = call.AbortPosted = true;
        rig.Worker.TryPost(new WorkerCommand.Abort(call.Sequence));
        rig.RunToEnd(call);
        Assert.That(call.Sequence.FinishReason, Is.EqualTo(FinishReason.Abort));
        Assert.That(call.Sequence.OutputTokens.ToArray(), Is.EqualTo(Whole(3)));
    }

    [Test]
    public void A_batch_that_fails_takes_the_one_started_beside_it_along([Values] bool atStart)
    {
        using WorkerRig rig = NewRig();
        SimulatedCall first = rig.Submit(Prompt, newTokens: 10);
        for (int step = 0; step < 3; step++)
            rig.Worker.Step();
        SimulatedCall second = rig.Submit([1, 2, 3], newTokens: 5);
        rig.Runner.NextFault = atStart ? RunnerFault.Start : RunnerFault.Finish;
        rig.RunToEnd();
        foreach (SimulatedCall call in new[] { first, second })
            Assert.That(call.Sequence!.Error, Is.TypeOf<WorkerException>());
        Assert.That(rig.Runner.StartedCount, Is.Zero);
        Assert.That(rig.Pool.QuarantinedCount, Is.Zero);
        SimulatedCall next = rig.Submit(Prompt, newTokens: 10);
        rig.RunToEnd(next);
        Assert.That(next.Sequence!.OutputCount, Is.EqualTo(10));
    }

    [Test]
    public void A_worker_that_ends_waits_for_what_is_started()
    {
        using WorkerRig rig = NewRig();
        SimulatedCall call = rig.Submit(Prompt, newTokens: 10);
        for (int step = 0; step < 3; step++)
            rig.Worker.Step();
        Assert.That(rig.Runner.StartedCount, Is.EqualTo(1));
        rig.Worker.Dispose();
        Assert.That(rig.Runner.StartedCount, Is.Zero);
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Abort));
        Assert.That(rig.Domain.HolderCount, Is.Zero);
    }

    [Test]
    public void Where_blocks_run_out_results_come_first([Values] bool runsAhead)
    {
        using WorkerRig rig = new(8, 4, Options with { Conservativeness = 0 }, runsAhead);
        SimulatedCall[] calls = [.. Enumerable.Range(0, 4).Select(seed => rig.Submit(
            rig.NewRequest(WorkerRig.Tokens(5, seed), 14)))];
        rig.RunToEnd(calls);
        Assert.That(calls.Sum(call => call.Sequence!.RetractionCount), Is.GreaterThan(0));
        Assert.That(calls.Select(call => call.Sequence!.OutputCount), Is.All.EqualTo(14));
    }

    private static WorkerRig NewRig() => new(BlockCount, 4, Options, runsAhead: true);

    /// <summary>What the first request of a worker comes to.</summary>
    private static int[] Whole(int newTokens)
    {
        using WorkerRig rig = new(BlockCount, 4, Options);
        SimulatedCall call = rig.Submit(Prompt, newTokens);
        rig.RunToEnd(call);
        return call.Sequence!.OutputTokens.ToArray();
    }
}
