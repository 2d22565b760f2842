namespace PdEngine.Tests;

public sealed class AdmissionTests
{
    private static readonly SchedulerOptions OneAtATime =
        new() { ContextTokens = 100, MaxRunningSequences = 1 };

    [Test]
    public void What_exceeds_the_context_is_refused_with_both_numbers()
    {
        using WorkerRig rig = new(64, 16, new() { ContextTokens = 100 });
        rig.Submit(WorkerRig.Tokens(60), newTokens: 40);
        CapacityException refusal =
            Assert.Throws<CapacityException>(() => rig.Submit(WorkerRig.Tokens(60), newTokens: 41))!;
        Assert.That(refusal.Message, Does.Contain("101").And.Contain("100").And.Contain("context_length"));
    }

    [Test]
    public void What_exceeds_the_whole_pool_is_refused_with_both_numbers()
    {
        using WorkerRig rig = new(4, 16, new() { ContextTokens = 1000 });
        SimulatedCall largest = rig.Submit(WorkerRig.Tokens(40), newTokens: 25);
        CapacityException refusal =
            Assert.Throws<CapacityException>(() => rig.Submit(WorkerRig.Tokens(40), newTokens: 26))!;
        Assert.That(refusal.Message, Does.Contain("5 KV blocks").And.Contain("has 4"));
        rig.RunToEnd(largest);
    }

    [Test]
    public void A_token_count_over_two_billion_is_refused_and_does_not_wrap()
    {
        using WorkerRig rig = new(4, 16, new() { ContextTokens = int.MaxValue });
        Request request = rig.NewRequest(WorkerRig.Tokens(40), newTokens: int.MaxValue);
        Assert.Throws<CapacityException>(() => rig.Worker.ThrowIfNeverFits(request));
    }

    [Test]
    public void A_full_queue_refuses_until_something_is_admitted()
    {
        using WorkerRig rig = new(64, 4, OneAtATime with { MaxQueuedSequences = 2 });
        SimulatedCall[] calls = [rig.Submit([1, 2], 3), rig.Submit([3, 4], 3)];
        CapacityException refusal = Assert.Throws<CapacityException>(() => rig.Submit([5, 6], 3))!;
        Assert.That(refusal.Message, Does.StartWith("queue full").And.Contain("2"));
        rig.Worker.Step();
        SimulatedCall late = rig.Submit([5, 6], 3);
        rig.RunToEnd([.. calls, late]);
    }

    [Test]
    public void An_aborted_sequence_gives_its_place_in_the_queue_back()
    {
        using WorkerRig rig = new(64, 4, OneAtATime with { MaxQueuedSequences = 1 });
        SimulatedCall running = rig.Submit([1, 2], 30);
        rig.Worker.Step();
        SimulatedCall waiting = rig.Submit([3, 4], 3);
        waiting.AbortPosted = true;
        rig.Worker.TryPost(new WorkerCommand.Abort(waiting.Sequence!));
        rig.Worker.Step();
        Assert.That(waiting.Sequence!.FinishReason, Is.EqualTo(FinishReason.Abort));
        rig.RunToEnd(running, rig.Submit([5, 6], 3));
    }
}
