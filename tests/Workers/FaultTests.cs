namespace PdEngine.Tests;

public sealed class FaultTests
{
    private static readonly SchedulerOptions Options =
        RouterRig.Options with { WatchdogTimeout = TimeSpan.FromSeconds(30) };

    [Test]
    public void A_step_that_hangs_is_taken_away_with_a_message_that_tells_the_state()
    {
        using RouterRig rig = NewRig(WorkerType.Regular, WorkerType.Regular);
        using Watchdog watchdog = new(rig.Slots, rig.Clock);
        SimulatedCall call = rig.Submit([1, 2, 3], newTokens: 10);
        rig.Step();
        int hung = OwnerOf(rig, call);
        Hang(rig, hung, TimeSpan.FromSeconds(31), watchdog);
        rig.Step();
        Worker worker = rig.Worker(hung);
        Assert.That(worker.IsDead, Is.True);
        Assert.That(worker.Failure!.InnerException, Is.TypeOf<TimeoutException>());
        string message = worker.Failure.Message;
        string[] parts = ["31.0 s", "30 s", "watchdog_timeout", rig.Slots[0].Name, "1 decoding"];
        foreach (string part in parts)
            Assert.That(message, Does.Contain(part));
        rig.RunToEnd(call);
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Length));
        rig.AssertEmpty();
    }

    [Test]
    public void A_worker_within_its_patience_or_without_work_is_left_alone()
    {
        using RouterRig rig = NewRig(WorkerType.Regular, WorkerType.Regular);
        using Watchdog watchdog = new(rig.Slots, rig.Clock);
        SimulatedCall call = rig.Submit([1, 2, 3], newTokens: 10);
        rig.Step();
        Hang(rig, OwnerOf(rig, call), TimeSpan.FromSeconds(30), watchdog);
        rig.Step();
        rig.Clock.Advance(TimeSpan.FromHours(1));
        watchdog.Look();
        Assert.That(rig.Slots.Any(slot => slot.Worker.IsDead), Is.False);
        rig.RunToEnd(call);
    }

    [Test]
    public void What_a_hung_step_still_writes_reaches_no_other_sequence()
    {
        using RouterRig rig = new(true, [8], Options, WorkerType.Regular, WorkerType.Regular);
        using Watchdog watchdog = new(rig.Slots, rig.Clock);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(12), newTokens: 8);
        int hung = call.Sequence!.Pd.PrefillWorker == rig.Slots[0].Name ? 0 : 1;
        int quarantined = 0;
        rig.Runner(hung).OnHang = () =>
        {
            rig.Clock.Advance(TimeSpan.FromMinutes(1));
            watchdog.Look();
            quarantined = rig.Domains[0].Pool.QuarantinedCount;
            rig.Worker(1 - hung).Step();
        };
        rig.Runner(hung).NextFault = RunnerFault.Hang;
        rig.Worker(hung).Step();
        Assert.That(quarantined, Is.EqualTo(3));
        Assert.That(rig.Domains[0].Pool.QuarantinedCount, Is.Zero);
        rig.RunToEnd(call);
        rig.AssertEmpty();
    }

    [Test]
    public void Only_a_failed_worker_is_started_anew_and_then_serves_in_its_place()
    {
        using RouterRig rig = NewRig(WorkerType.Regular);
        WorkerSlot slot = rig.Slots[0];
        Worker first = slot.Worker;
        Assert.Throws<InvalidOperationException>(() => rig.Router.Restart(slot));
        rig.Kill(0);
        Assert.Throws<WorkerException>(() => rig.Submit([1], newTokens: 1));
        rig.Router.Restart(slot);
        Assert.That((slot.Worker != first, slot.Name, slot.Number), Is.EqualTo((true, first.Name, 0)));
        Assert.That(slot.Worker.Space.Domain.WorkerCount, Is.EqualTo(1));
        rig.RunToEnd(rig.Submit([1, 2, 3], newTokens: 10));
    }

    [Test]
    public void With_no_worker_left_a_request_is_told_what_each_of_them_died_of()
    {
        using RouterRig rig = NewRig(WorkerType.Prefill, WorkerType.Decode, WorkerType.Decode);
        rig.Kill(2);
        rig.Kill(0);
        rig.Kill(1);
        WorkerException error = Assert.Throws<WorkerException>(() => rig.Submit([1], newTokens: 1))!;
        foreach (WorkerSlot slot in rig.Slots)
            Assert.That(error.Message, Does.Contain($"Worker '{slot.Name}' failed: killed."));
        rig.Router.Restart(rig.Slots[1]);
        rig.RunToEnd(rig.Submit([1, 2, 3], newTokens: 10));
    }

    [Test]
    public void Prefill_and_decode_workers_share_one_domain_or_none()
    {
        using RouterRig one = new(sharesDomain: true, [64], Options, WorkerType.Prefill, WorkerType.Decode);
        using RouterRig two = new(sharesDomain: true, [64], Options, WorkerType.Prefill, WorkerType.Decode);
        Assert.That(() => one.Router.Connect([.. one.Slots, .. two.Slots]), Throws.Exception
            .With.Message.Contains("sources.Overlaps(targets)"));
        Assert.That(() => one.Router.Connect([one.Slots[0], two.Slots[1]]), Throws.Nothing);
        Assert.That(() => one.Router.Connect([.. one.Slots, two.Slots[1]]), Throws.Exception);
    }

    [Test]
    public void A_sequence_that_loses_three_workers_ends_with_what_it_has()
    {
        using RouterRig rig = NewRig([.. Enumerable.Repeat(WorkerType.Regular, 5)]);
        SimulatedCall call = rig.Submit([1, 2, 3], newTokens: 40);
        for (int lost = 0; lost < 3; lost++)
        {
            Assert.That(call.IsFinished, Is.False);
            rig.Step();
            rig.Step();
            rig.Kill(OwnerOf(rig, call));
        }
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Error));
        Assert.That(call.Sequence.Error, Is.TypeOf<WorkerException>());
        Assert.That((call.Sequence.FailureCount, call.Sequence.OutputCount), Is.EqualTo((3, 6)));
        call.Judge(Options.ContextTokens);
        rig.AssertEmpty();
    }

    [Test]
    public void A_batch_that_fails_on_the_only_worker_is_computed_there_again()
    {
        using RouterRig rig = NewRig(WorkerType.Regular);
        SimulatedCall call = rig.Submit([1, 2, 3], newTokens: 10);
        rig.Step();
        rig.Runner(0).NextFault = RunnerFault.Finish;
        rig.RunToEnd(call);
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Length));
        Assert.That(call.Sequence.FailureCount, Is.EqualTo(1));
    }

    [Test]
    public void Where_no_worker_is_left_a_sequence_ends_with_what_it_has()
    {
        using RouterRig rig = NewRig(WorkerType.Prefill, WorkerType.Decode);
        SimulatedCall call = rig.Submit([1, 2, 3], newTokens: 10);
        rig.Step();
        rig.Step();
        rig.Kill(0);
        rig.Kill(1);
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Error));
        Assert.That(call.Sequence.OutputCount, Is.GreaterThan(0));
        call.Judge(Options.ContextTokens);
    }

    [Test]
    public void A_worker_that_takes_no_more_counts_nothing_that_it_was_offered()
    {
        using RouterRig rig = NewRig(WorkerType.Regular);
        SimulatedCall call = rig.Submit([1, 2, 3], newTokens: 10);
        rig.Worker(0).Close();
        (int, long) before = (rig.Worker(0).RequestCount, rig.Worker(0).PendingTokens);
        Sequence late = new SimulatedCall(call.Request).Open(ticks: 0);
        Assert.That(rig.Worker(0).TryResubmit(late, handoff: null), Is.False);
        Assert.Throws<ObjectDisposedException>(() => rig.Worker(0).Submit(late));
        Assert.That((rig.Worker(0).RequestCount, rig.Worker(0).PendingTokens), Is.EqualTo(before));
        Assert.That(late.PendingTokens, Is.Zero);
    }

    private static RouterRig NewRig(params WorkerType[] roles) => new(true, [64], Options, roles);

    private static int OwnerOf(RouterRig rig, SimulatedCall call) =>
        Enumerable.Range(0, rig.Slots.Count)
            .Single(i => EngineInternals.Live(rig.Worker(i)).ContainsKey(call.Sequence!));

    private static void Hang(RouterRig rig, int number, TimeSpan time, Watchdog watchdog)
    {
        rig.Runner(number).NextFault = RunnerFault.Hang;
        rig.Runner(number).OnHang = () =>
        {
            rig.Clock.Advance(time);
            watchdog.Look();
        };
    }
}
