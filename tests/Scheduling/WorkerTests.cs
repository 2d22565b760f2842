namespace PdEngine.Tests;

public sealed class WorkerTests
{
    private static readonly SchedulerOptions Options = new() { ContextTokens = 4096 };

    [Test]
    public void A_decode_step_allocates_nothing([Values] bool hasQueue)
    {
        using WorkerRig rig = new(1024, 16, Options with { MaxRunningSequences = 32 });
        // The first round grows the batch's own buffers to this load; the second must find all it needs.
        SubmitRound(rig, hasQueue ? 40 : 32);
        rig.RunToEnd();
        SubmitRound(rig, hasQueue ? 40 : 32);
        while (rig.Worker.Snapshot().DecodingCount < 32)
            rig.Worker.Step();
        // The runtime itself may allocate once on this thread; a step that allocates does so in every round.
        long allocatedBytes = long.MaxValue;
        for (int round = 0; round < 4; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 95; i++)
                rig.Worker.Step();
            allocatedBytes = Math.Min(allocatedBytes, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.That(rig.Worker.Snapshot().DecodingCount, Is.EqualTo(32));
        Assert.That(allocatedBytes, Is.Zero);
    }

    [Test]
    public void A_failing_batch_ends_its_sequences_with_what_they_have_and_the_worker_goes_on(
        [Values(RunnerFault.Start, RunnerFault.Finish)] RunnerFault fault)
    {
        using WorkerRig rig = new(64, 4, Options with { MaxRunningSequences = 2 });
        SimulatedCall first = rig.Submit([1, 2, 3], 50), second = rig.Submit([4, 5, 6], 50);
        SimulatedCall waiting = rig.Submit([7, 8], 5);
        for (int i = 0; i < 5; i++)
            rig.Worker.Step();
        rig.Runner.NextFault = fault;
        rig.Worker.Step();
        foreach (Sequence sequence in (Sequence[])[first.Sequence!, second.Sequence!])
        {
            Assert.That(sequence.FinishReason, Is.EqualTo(FinishReason.Error));
            Assert.That(sequence.Error, Is.TypeOf<WorkerException>().With.Message.Contains("fell over"));
            Assert.That(sequence.Error!.InnerException, Is.TypeOf<BackendException>());
            Assert.That(sequence.OutputCount, Is.EqualTo(5));
        }
        Assert.That(rig.Worker.Snapshot().FailureCount, Is.EqualTo(1));
        rig.RunToEnd(first, second, waiting);
        Assert.That(waiting.Sequence!.FinishReason, Is.EqualTo(FinishReason.Length));
    }

    [Test]
    public void An_abort_ends_a_sequence_in_any_phase_with_its_tokens()
    {
        using WorkerRig rig = new(64, 4, Options with { PrefillChunkTokens = 8, MaxRunningSequences = 2 });
        SimulatedCall decoding = rig.Submit([1, 2, 3], 50);
        rig.Worker.Step();
        SimulatedCall prefilling = rig.Submit(WorkerRig.Tokens(40), 5), queued = rig.Submit([9], 5);
        rig.Worker.Step();
        SimulatedCall[] calls = [decoding, prefilling, queued];
        Assert.That(
            calls.Select(c => c.Sequence!.Phase),
            Is.EqualTo(new[] { SequencePhase.Decoding, SequencePhase.Prefilling, SequencePhase.Queued }));
        foreach (SimulatedCall call in calls)
        {
            call.AbortPosted = true;
            rig.Worker.TryPost(new WorkerCommand.Abort(call.Sequence!));
        }
        rig.RunToEnd(calls);
        Assert.That(calls.Select(c => c.Sequence!.FinishReason), Is.All.EqualTo(FinishReason.Abort));
        Assert.That(decoding.Sequence!.OutputCount, Is.EqualTo(2));
    }

    [Test]
    public void An_abort_that_arrives_before_its_sequence_ends_it()
    {
        using WorkerRig rig = new(64, 4, Options);
        SimulatedCall call = new(rig.NewRequest([1, 2], 5)) { AbortPosted = true };
        Sequence sequence = call.Open(ticks: 1);
        sequence.AbortRequested = true;
        rig.Worker.TryPost(new WorkerCommand.Abort(sequence));
        rig.Worker.Submit(sequence);
        rig.RunToEnd(call);
        Assert.That(sequence.FinishReason, Is.EqualTo(FinishReason.Abort));
    }

    [Test]
    public void Nothing_to_generate_ends_by_length_without_output()
    {
        using WorkerRig rig = new(64, 4, Options);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(10), newTokens: 0);
        rig.RunToEnd(call);
        Assert.That(call.Sequence!.FinishReason, Is.EqualTo(FinishReason.Length));
        Assert.That(call.Sequence.OutputCount, Is.Zero);
        Assert.That(call.Sequence.Times.FirstTokenTicks, Is.Zero);
    }

    [Test]
    public void A_flush_forgets_what_no_sequence_uses()
    {
        using WorkerRig rig = new(64, 4, Options);
        rig.RunToEnd(rig.Submit(WorkerRig.Tokens(20), newTokens: 4));
        SimulatedCall running = rig.Submit(WorkerRig.Tokens(20, seed: 2), newTokens: 30);
        rig.Worker.Step();
        rig.Worker.TryPost(new WorkerCommand.FlushCache());
        rig.Worker.Step();
        Assert.That(rig.Cache.Peek(WorkerRig.Tokens(20), 20).BlockCount, Is.Zero);
        Assert.That(rig.Cache.LockedBlockCount, Is.EqualTo(5));
        rig.RunToEnd(running);
    }

    [Test]
    public void A_loop_serves_from_many_threads_and_stops_cleanly()
    {
        Worker worker = NewWorker(new KvDomain(128, 4));
        WaitingCall[] calls = [.. Enumerable.Range(0, 40).Select(i => new WaitingCall(i))];
        WorkerLoop loop = new(worker);
        Parallel.ForEach(calls.Take(30), call => worker.Submit(call.Sequence));
        foreach (WaitingCall call in calls.Take(30))
            Assert.That(call.Ended.Wait(TimeSpan.FromMinutes(1)), $"sequence {call.Sequence.Request.Id}");
        IEnumerable<FinishReason?> reasons = calls.Take(30).Select(c => c.Sequence.FinishReason);
        Assert.That(reasons, Is.All.EqualTo(FinishReason.Length));
        Parallel.ForEach(calls.Skip(30), call => worker.Submit(call.Sequence));
        Assert.That(loop.TryEnd());
        worker.Dispose();
        Assert.That(calls.Select(c => c.Ended.IsSet), Is.All.True);
        Assert.That(calls.Select(c => c.Sequence.Blocks.Count), Is.All.Zero);
        Assert.Throws<ObjectDisposedException>(() => worker.Submit(new WaitingCall(99).Sequence));
    }

    [Test]
    public void A_bug_in_a_worker_ends_its_sequences_and_it_takes_no_more()
    {
        KvDomain domain = new(128, 4);
        Worker worker = NewWorker(domain);
        WaitingCall first = new(1, onToken: sequence => domain.Pool.Release(sequence.Blocks[0]));
        WaitingCall second = new(2);
        worker.Submit(first.Sequence);
        worker.Submit(second.Sequence);
        WorkerLoop loop = new(worker);
        Assert.That(first.Ended.Wait(TimeSpan.FromMinutes(1)));
        Assert.That(second.Ended.Wait(TimeSpan.FromMinutes(1)));
        Assert.That(second.Sequence.Error, Is.TypeOf<WorkerException>());
        Assert.That(second.Sequence.Error!.InnerException, Is.TypeOf<InvariantException>());
        Assert.That(worker.IsDead);
        Assert.Throws<ObjectDisposedException>(() => worker.Submit(new WaitingCall(3).Sequence));
        Assert.That(loop.TryEnd());
        worker.Dispose();
    }

    private static Worker NewWorker(KvDomain domain)
    {
        FakeModelRunner runner = new(new FakeKvMemory(domain.Pool));
        return new("loop", Options, new KvSpace(domain, null, usesCache: true), runner, TimeProvider.System);
    }

    private static void SubmitRound(WorkerRig rig, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Request request = rig.NewRequest(WorkerRig.Tokens(20, i), newTokens: 400);
            rig.Submit(request with
            {
                ReturnLogProb = true,
                TopLogProbCount = 2,
                StopTokenIds = [500],
                Sampling = request.Sampling with { RepetitionPenalty = 1.2f, MinNewTokens = 4 },
            });
        }
    }

    private sealed class WaitingCall : ISequenceObserver
    {
        private readonly Action<Sequence>? _onToken;

        public WaitingCall(int number, Action<Sequence>? onToken = null)
        {
            _onToken = onToken;
            int[] prompt = WorkerRig.Tokens(8, number % 5);
            Request request = new()
            {
                Id = new(number),
                PromptTokens = prompt,
                Seed = (ulong)number,
                StopTokenIds = [],
                PenaltyPromptCount = prompt.Length,
                Sampling = new() { MaxNewTokens = 30 },
            };
            Sequence = new(request, this, submittedTicks: 1);
        }

        public Sequence Sequence { get; }

        public ManualResetEventSlim Ended { get; } = new();

        public string? OnToken(Sequence sequence)
        {
            _onToken?.Invoke(sequence);
            return null;
        }

        public void OnFinished(Sequence sequence) => Ended.Set();
    }
}
