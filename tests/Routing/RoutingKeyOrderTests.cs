namespace PdEngine.Tests;

public sealed class RoutingKeyOrderTests
{
    private static readonly SchedulerOptions Options = new()
    {
        ContextTokens = 4096,
        Policy = SchedulePolicy.RoutingKey,
        UsesPrefixCache = false,
    };

    [Test]
    public void The_key_that_most_running_ones_have_goes_first_then_arrival()
    {
        using WorkerRig rig = new(256, 16, Options with { MaxRunningSequences = 4 });
        SimulatedCall[] running =
            [Submit(rig, "a", 40), Submit(rig, "b", 40), Submit(rig, "b", 40), Submit(rig, null, 5)];
        rig.Worker.Step();
        SimulatedCall[] waiting =
            [Submit(rig, "c"), Submit(rig, null), Submit(rig, "a"), Submit(rig, "b"), Submit(rig, "b")];
        List<int> order = [];
        while (rig.Worker.Step())
            order.AddRange(Enumerable.Range(0, 5).Where(i => waiting[i].IsFinished && !order.Contains(i)));
        Assert.That(order, Is.EqualTo((int[])[3, 4, 2, 0, 1]));
        rig.RunToEnd([.. running, .. waiting]);
    }

    [Test]
    public void Sequences_that_are_still_prefilling_count_as_running()
    {
        SchedulerOptions options = Options with { PrefillChunkTokens = 8, MaxRunningSequences = 2 };
        using WorkerRig rig = new(256, 16, options);
        SimulatedCall first = Submit(rig, null, newTokens: 2);
        rig.Worker.Step();
        Request slow = rig.NewRequest(WorkerRig.Tokens(400), newTokens: 1) with { RoutingKey = "b" };
        SimulatedCall prefilling = rig.Submit(slow);
        rig.Worker.Step();
        Assert.That(prefilling.Sequence!.Phase, Is.EqualTo(SequencePhase.Prefilling));
        SimulatedCall other = Submit(rig, "a"), same = Submit(rig, "b");
        while (!same.IsFinished)
        {
            Assert.That(other.IsFinished, Is.False);
            rig.Worker.Step();
        }
        rig.RunToEnd(first, prefilling, other, same);
    }

    [Test]
    public void Without_keys_it_is_the_order_of_arrival()
    {
        using WorkerRig rig = new(64, 16, Options with { MaxRunningSequences = 1 });
        SimulatedCall[] calls = [.. Enumerable.Range(0, 6).Select(i => Submit(rig, i == 0 ? "" : null))];
        List<int> order = [];
        while (rig.Worker.Step() || order.Count < 6)
            order.AddRange(Enumerable.Range(0, 6).Where(i => calls[i].IsFinished && !order.Contains(i)));
        Assert.That(order, Is.EqualTo((int[])[0, 1, 2, 3, 4, 5]));
    }

    [Test]
    public void A_crowd_of_one_key_starves_nobody()
    {
        using WorkerRig rig = new(64, 16, Options with { MaxRunningSequences = 2 });
        SimulatedCall stream = Submit(rig, "crowd", newTokens: 900);
        rig.Worker.Step();
        SimulatedCall lonely = Submit(rig, "lonely");
        int passedCount = 0;
        for (; !lonely.IsFinished; passedCount++)
        {
            Submit(rig, "crowd");
            rig.Worker.Step();
            Assert.That(passedCount, Is.LessThan(1000));
        }
        Assert.That(passedCount, Is.GreaterThan(10).And.LessThan(100));
        rig.RunToEnd(stream, lonely);
    }

    private static SimulatedCall Submit(WorkerRig rig, string? key, int newTokens = 1) =>
        rig.Submit(rig.NewRequest([1, 2, 3], newTokens) with { RoutingKey = key });
}
