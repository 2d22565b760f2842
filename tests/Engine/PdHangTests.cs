namespace PdEngine.Tests;

/// <summary>Steps that do not come back in time, on real threads and real clocks.</summary>
[CancelAfter(120_000)]
public sealed class PdHangTests
{
    private const int PromptTokens = 1800;

    [Test]
    public async Task A_step_over_the_watchdogs_patience_is_taken_from_its_worker(
        [Values] KvDomainKind domain, [Values(1, 2)] int ranks)
    {
        GenerateRequest request = new()
        {
            InputIds = EngineRig.Ids(new Random(9), PromptTokens), ReturnLogProb = true, LogProbStartLen = 0,
            Sampling = new SamplingParams { MaxNewTokens = 6, IgnoreEos = true, SamplingSeed = 1 },
        };
        Generation alone = (await PdRig.AloneAsync("reference", [request]))[0];
        LeapingClock clock = new();
        EngineOptions options = PdRig.Options(
            $"1Px{ranks}+1Dx{ranks}", DisaggregateMode.Always, domain, "reference",
            overrides: "watchdog_timeout: 60, chunked_prefill_size: -1");
        await using Engine engine = await Engine.StartAsync(options with { Clock = clock });
        EngineModel model = engine.Models[0];
        Task<Generation> task = engine.GenerateAsync(request);
        // The one step of its prompt takes long enough that a leap falls into it.
        while (!task.IsCompleted && PdRig.Worker(engine, "prefill-0").IsAlive)
        {
            clock.Leap(TimeSpan.FromSeconds(61));
            // One leap is seen before the next: two would take the step away from who rescues it as well.
            clock.AwaitLook();
            Thread.Sleep(10);
        }
        string? failure = PdRig.Worker(engine, "prefill-0").Failure;
        // At once: its step may still be running, and its sequences just being taken away.
        if (failure is not null)
            model.RestartWorker("prefill-0");
        EngineRig.AssertSame(alone, await task, "rescued");
        Assert.That(failure, Does.Contain("watchdog_timeout").And.Contain("state:").And.Contain("decode-0"));
        Assert.That((await task).FailureCount, Is.EqualTo(1));
        PdRig.AssertTimes([await task], "rescued");
        Generation again = await engine.GenerateAsync(request);
        EngineRig.AssertSame(alone, again, "restarted");
        PdRig.AssertPath([again], PdRig.PathOf(domain), "restarted");
        await PdRig.AssertAllFreeAsync(engine, $"{domain}");
    }

    [Test]
    public void A_step_that_never_comes_back_leaves_the_others_serving()
    {
        HangRig rig = new();
        using (rig)
        {
            SimulatedCall[] calls = [.. Enumerable.Range(0, 8).Select(rig.Submit)];
            Assert.That(rig.Hung.Wait(TimeSpan.FromSeconds(60)), "no step began to hang");
            // The other worker's half: a step of its that were running would be over its patience as well.
            Assert.That(() => calls.Count(call => call.IsFinished), Is.EqualTo(4).After(60_000, 1));
            rig.AwaitOneStep();
            rig.Clock.Advance(TimeSpan.FromSeconds(1));
            rig.Watchdog.Look();
            Assert.That(rig.Slots.Count(slot => slot.Worker.IsDead), Is.Zero, "within its patience");
            rig.Clock.Advance(TimeSpan.FromSeconds(400));
            rig.Watchdog.Look();
            Assert.That(rig.Slots.Count(slot => slot.Worker.IsDead), Is.EqualTo(1));
            HangRig.AwaitAll(calls);
            Assert.That(rig.Domain.Pool.QuarantinedCount, Is.GreaterThan(0), "it may still write");
            WorkerSlot dead = rig.Slots.Single(slot => slot.Worker.IsDead);
            rig.Router.Restart(dead);
            Assert.That(dead.HasLostThread, "what it computes with must stay");
            SimulatedCall[] more = [.. Enumerable.Range(0, 8).Select(rig.Submit)];
            HangRig.AwaitAll(more);
            rig.ComeBack.Set();
            Assert.That(() => rig.Domain.Pool.QuarantinedCount, Is.Zero.After(60_000, 1));
        }
        Assert.That(rig.Domain.HolderCount, Is.Zero);
        rig.Domain.CheckConservation();
    }

    [Test]
    public void Workers_restarted_while_their_sequences_still_look_for_another_are_given_back()
    {
        const int rounds = 30;
        using HangRig rig = new();
        rig.ComeBack.Set();
        List<SimulatedCall> calls = [];
        for (int round = 0; round < rounds; round++)
        {
            calls.AddRange(Enumerable.Range(0, 20).Select(rig.Submit));
            WorkerSlot slot = rig.Slots[round % 2];
            slot.Worker.TryPost(new WorkerCommand.Die(new InvalidOperationException("it was killed")));
            Assert.That(SpinWait.SpinUntil(() => slot.Worker.IsDead, 60_000));
            rig.Router.Restart(slot);
        }
        Assert.That(rig.DisposedCount, Is.EqualTo(rounds), "a worker was left to its thread");
        foreach (SimulatedCall call in calls)
            Assert.That(() => call.IsFinished, Is.True.After(60_000, 1));
    }

    [Test]
    public async Task A_worker_is_not_replaced_before_all_its_sequences_are_taken_from_it()
    {
        using HangRig rig = new();
        SlowObserver[] slow = [rig.SubmitSlow(1), rig.SubmitSlow(2)];
        SimulatedCall[] calls = [.. Enumerable.Range(0, 6).Select(rig.Submit)];
        Assert.That(rig.Hung.Wait(TimeSpan.FromSeconds(60)), "no step began to hang");
        Assert.That(() => calls.Count(call => call.IsFinished), Is.EqualTo(3).After(60_000, 1));
        Assert.That(() => slow.Count(one => one.FinishCount > 0), Is.EqualTo(1).After(60_000, 1));
        rig.AwaitOneStep();
        SlowObserver aborted = slow.Single(one => one.FinishCount == 0);
        aborted.Sequence.AbortRequested = true;
        WorkerSlot hung = rig.Slots.Single(slot => slot.Worker.StepStartTicks != 0);
        rig.Clock.Advance(TimeSpan.FromSeconds(400));
        Task look = Task.Run(rig.Watchdog.Look);
        Assert.That(aborted.Entered.Wait(TimeSpan.FromSeconds(60)), "its sequences were not taken away");
        rig.ComeBack.Set();
        Task restart = Task.Run(() => rig.Router.Restart(hung));
        await Task.WhenAny(restart, Task.Delay(200));
        Assert.That(restart.IsCompleted, Is.False, "the rest of its sequences are still its own");
        aborted.Leave.Set();
        await look;
        await restart;
        HangRig.AwaitAll(calls);
        Assert.That(slow.Select(one => one.FinishCount), Is.All.EqualTo(1));
        Assert.That(rig.DisposedCount, Is.EqualTo(1));
        Assert.That(() => rig.Domain.Pool.QuarantinedCount, Is.Zero.After(60_000, 1));
    }

    /// <summary>The system's clock, but a test can let it leap; its timers look often.</summary>
    private sealed class LeapingClock : TimeProvider
    {
        private readonly List<ThreadTimer> _timers = [];
        private long _leapt;

        public override long TimestampFrequency => System.TimestampFrequency;

        public override long GetTimestamp() => System.GetTimestamp() + Interlocked.Read(ref _leapt);

        public void Leap(TimeSpan time) => Interlocked.Add(
            ref _leapt, (long)(time.TotalSeconds * TimestampFrequency));

        public override ITimer CreateTimer(
            TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ThreadTimer timer = new(() => callback(state));
            _timers.Add(timer);
            return timer;
        }

        /// <summary>Waits until a whole call of every timer has come and gone.</summary>
        public void AwaitLook() => _timers.ForEach(timer => timer.AwaitCall());
    }

    /// <summary>Calls often, on a thread of its own: the pool may be busy computing.</summary>
    private sealed class ThreadTimer : ITimer
    {
        private readonly Thread _thread;
        private volatile bool _ends;
        private volatile int _calls;

        public ThreadTimer(Action callback)
        {
            _thread = new(() =>
            {
                for (; !_ends; Thread.Sleep(2))
                {
                    callback();
                    _calls++;
                }
            });
            _thread.Start();
        }

        /// <summary>Of two that end, the second has begun since.</summary>
        public void AwaitCall()
        {
            for (int before = _calls; _calls - before < 2;)
                Thread.Sleep(1);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => false;

        public void Dispose()
        {
            _ends = true;
            _thread.Join();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>A caller whose thread takes its time to hear of an abort.</summary>
    private sealed class SlowObserver : ISequenceObserver
    {
        private int _finishCount;

        public SlowObserver(Request request) => Sequence = new(request, this, submittedTicks: 1);

        public Sequence Sequence { get; }

        public int FinishCount => Volatile.Read(ref _finishCount);

        public ManualResetEventSlim Entered { get; } = new();

        public ManualResetEventSlim Leave { get; } = new();

        public string? OnToken(Sequence sequence) => null;

        public void OnFinished(Sequence sequence)
        {
            Interlocked.Increment(ref _finishCount);
            if (sequence.FinishReason != FinishReason.Abort)
                return;
            Entered.Set();
            Leave.Wait();
        }
    }

    /// <summary>Two workers on threads of their own, one of whose steps hangs.</summary>
    private sealed class HangRig : IDisposable
    {
        private const int PageSize = 4;
        private const int ContextTokens = 256;

        private readonly FakeKvMemory _memory;
        private int _steps;
        private long _requests;
        private int _disposedCount;

        public HangRig()
        {
            Domain = new(64, PageSize);
            _memory = new(Domain.Pool);
            Router = new(new RouterOptions
            {
                Regular = RouterPolicy.RoundRobin, Prefill = RouterPolicy.RoundRobin,
                Decode = RouterPolicy.RoundRobin, Disaggregate = DisaggregateMode.Auto,
                LocalTokens = PageSize, Seed = 1, Clock = Clock,
                Transfer = (_, _) => throw new InvalidOperationException("there is one domain"),
            });
            Slots = [.. Enumerable.Range(0, 2).Select(number => new WorkerSlot(
                number, $"regular-{number}", WorkerType.Regular, Make, hasThread: true))];
            Router.Connect(Slots);
            Watchdog = new(Slots, Clock);
            // A step that starts at tick 0 would not count as one.
            Clock.Advance(TimeSpan.FromSeconds(1));
            foreach (WorkerSlot slot in Slots)
                slot.Start();
        }

        public SteppedClock Clock { get; } = new();

        public KvDomain Domain { get; }

        public Router Router { get; }

        public WorkerSlot[] Slots { get; }

        public Watchdog Watchdog { get; }

        /// <summary>Runners that are no longer.</summary>
        public int DisposedCount => Volatile.Read(ref _disposedCount);

        public ManualResetEventSlim Hung { get; } = new();

        public ManualResetEventSlim ComeBack { get; } = new();

        public SimulatedCall Submit(int number)
        {
            SimulatedCall call = new(NewRequest(number));
            Router.Submit(call.Open(ticks: 1));
            return call;
        }

        public SlowObserver SubmitSlow(int number)
        {
            SlowObserver observer = new(NewRequest(number));
            Router.Submit(observer.Sequence);
            return observer;
        }

        /// <summary>Waits until the step that hangs is the only one: calls end within a step.</summary>
        public void AwaitOneStep() =>
            Assert.That(
                () => Slots.Count(slot => slot.Worker.StepStartTicks != 0), Is.EqualTo(1).After(60_000, 1));

        public static void AwaitAll(SimulatedCall[] calls)
        {
            foreach (SimulatedCall call in calls)
            {
                Assert.That(() => call.IsFinished, Is.True.After(60_000, 1));
                call.Judge(ContextTokens);
            }
        }

        public void Dispose()
        {
            ComeBack.Set();
            foreach (WorkerSlot slot in Slots)
                slot.Worker.Close();
            foreach (WorkerSlot slot in Slots)
                slot.Dispose();
            Watchdog.Dispose();
        }

        private Request NewRequest(int number)
        {
            int[] prompt = WorkerRig.Tokens(5 + number, seed: number);
            return new Request
            {
                Id = new(++_requests), PromptTokens = prompt, Seed = (ulong)number, StopTokenIds = [],
                PenaltyPromptCount = prompt.Length, Sampling = new() { MaxNewTokens = 30 },
            };
        }

        private (Worker, IDisposable) Make(WorkerSlot slot)
        {
            SchedulerOptions options = new() { ContextTokens = ContextTokens };
            HangingRunner runner = new(new FakeModelRunner(_memory), this);
            KvSpace space = new(Domain, quotaBlocks: null, usesCache: true);
            return (new Worker(slot.Name, options, space, runner, Clock, Router.Rescue), runner);
        }

        /// <summary>The third step of all begins but does not end until it is told to.</summary>
        private sealed class HangingRunner(FakeModelRunner inner, HangRig rig) : IModelRunner
        {
            public void Start(ForwardBatch batch)
            {
                if (Interlocked.Increment(ref rig._steps) == 3)
                {
                    rig.Hung.Set();
                    rig.ComeBack.Wait();
                }
                inner.Start(batch);
            }

            public void Finish(ForwardBatch batch) => inner.Finish(batch);

            public void Use(WeightEpoch epoch) => inner.Use(epoch);

            public void CopyBlock(int source, int target) => inner.CopyBlock(source, target);

            public void Rest()
            {
            }

            public void Dispose()
            {
                Interlocked.Increment(ref rig._disposedCount);
                inner.Dispose();
            }
        }
    }
}
