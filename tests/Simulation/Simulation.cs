namespace PdEngine.Tests;

/// <summary>
/// One seeded run of the real router, workers, schedulers and caches on the test's own thread. After every
/// step every block must have exactly its holders; at the end every call must have what it would have got
/// alone.
/// </summary>
internal sealed class Simulation
{
    /// <summary>Rounds of steps in which an abort must have reached its sequence wherever it is.</summary>
    private const int AbortRounds = 3;

    private readonly SimulationSetup _setup;
    private readonly SimulatedCluster _cluster;
    private readonly List<SimulatedCall> _calls = [];
    private readonly List<SimulatedCall> _live = [];
    private readonly Queue<Request> _arrivals = new();
    private readonly HashSet<Sequence> _retractedPrefills = [];
    private readonly BugPlanter? _planter;
    private readonly SimulationTally _tally;
    private readonly SimulationWatch _watch;
    private readonly SimulatedUpdates _updates;
    private readonly int[] _order;
    private long _workRounds;
    private long _prefillTokenCount;
    private long _prefillStep;
    private long _pausedRounds;
    private int _openedCount;
    private int _turnsLeft;

    public Simulation(int seed, SimulationTally tally, bool runsAhead, PlantedBug bug = PlantedBug.None)
    {
        _setup = new(seed, runsAhead);
        _tally = tally;
        _cluster = new(_setup, new StepClock(this)) { Meanwhile = Meanwhile };
        _watch = new(_setup, _cluster, tally);
        if (bug != PlantedBug.None)
            _cluster.Plant(_planter = new(bug, _cluster, _live));
        _updates = new(_setup, _cluster, _live, tally, Abort)
        {
            Planter = _planter, OnPaused = BeginAgain,
        };
        _order = [.. Enumerable.Range(0, _cluster.Slots.Count)];
        _turnsLeft = _setup.CallCount;
        if (_setup.IsSingle)
            return;
        _tally.CountRun(_setup.RouterPolicy);
        _tally.CountRun(_setup.Disaggregate);
    }

    /// <summary>Rounds in which every worker made a step.</summary>
    public long StepCount { get; private set; }

    /// <summary>Runs until every call has its answer; throws at the first thing that is wrong.</summary>
    public void Run()
    {
        while (_openedCount < _setup.CallCount || _arrivals.Count > 0 || _live.Count > 0
            || _updates.IsBusy)
        {
            Arrive();
            Disturb();
            StepOnce();
            long boundRounds = 100 + (3 * _workRounds);
            _tally.LongestRun = Math.Max(_tally.LongestRun, (double)StepCount / boundRounds);
            Check.That(StepCount - _pausedRounds < boundRounds);
        }
        Close();
    }

    /// <summary>Goes on opening calls until this many steps have been made.</summary>
    public void Soak(long stepCount)
    {
        while (StepCount < stepCount || _live.Count > 0 || _updates.IsBusy)
        {
            if (StepCount < stepCount && _live.Count < 24)
            {
                _turnsLeft = 4;
                _openedCount = Math.Min(_openedCount, _setup.CallCount - 1);
                Arrive();
            }
            Disturb();
            StepOnce();
        }
        Close();
    }

    /// <summary>Every worker makes a step, in any order.</summary>
    private void StepOnce()
    {
        StepCount++;
        _setup.Shuffle(_order);
        foreach (int number in _order)
        {
            if (_setup.IsSingle || !_setup.Chance(6))
                Step(number);
        }
        if (_cluster.Swap.IsPaused)
            _pausedRounds++;
        else
        {
            _watch.CheckRound(StepCount - _pausedRounds, _live);
            CheckFairness();
        }
        for (int i = _live.Count - 1; i >= 0; i--)
        {
            SimulatedCall call = _live[i];
            Check.That(call.IsFinished || !call.AbortPosted
                || StepCount - call.AbortStep < (_setup.IsSingle ? StepsLate : AbortRounds * 4));
            if (!call.IsFinished)
                continue;
            _live.RemoveAt(i);
            _tally.Count(call.Sequence!);
            _watch.Forget(call.Sequence!);
            if (_retractedPrefills.Remove(call.Sequence!))
                _tally.CountRetractedPrefill();
            call.Judge(_setup.ContextTokens);
            if (_turnsLeft > 0 && call.Sequence!.OutputCount > 0 && _setup.Chance(2))
            {
                _turnsLeft--;
                _arrivals.Enqueue(_setup.NextTurn(call.Sequence!));
            }
        }
    }

    private void Step(int number)
    {
        _planter?.BeforeStep();
        WorkerSlot slot = _cluster.Slots[number];
        if (!_cluster.Step(number))
            return;
        _planter?.AfterStep();
        Verify();
        _watch.Observe(_live, slot);
    }

    /// <summary>What other threads do while one computes or copies.</summary>
    private void Meanwhile()
    {
        if (!_setup.Chance(_setup.InterleavesOneIn))
            return;
        bool isCopying = _cluster.CopyCount > 0;
        if (isCopying && _setup.KillsOneStepIn > 0 && _setup.Chance(8))
            Kill(_cluster.Slots[_setup.Next(_order.Length)]);
        for (int i = isCopying ? _setup.Next(10) : 1; i > 0; i--)
        {
            if (_setup.Chance(8))
                Disturb();
            if (_setup.Chance(4))
                Arrive();
            int number = _setup.Next(_order.Length);
            if (_cluster.IsStepping(_cluster.Slots[number].Worker))
                continue;
            _tally.Count(Happening.SteppedMeanwhile);
            Step(number);
        }
    }

    private void Close()
    {
        CheckQuiet();
        foreach (WorkerSlot slot in _cluster.Slots)
        {
            if (slot.Worker.IsDead)
                _cluster.Router.Restart(slot);
            slot.Worker.TryPost(new WorkerCommand.FlushCache());
        }
        for (int round = 0; round < 2; round++)
        {
            for (int number = 0; number < _order.Length; number++)
                _cluster.Step(number);
        }
        Verify();
        foreach (KvDomain domain in _cluster.Domains)
        {
            Check.That(domain.Cache.BlockCount == 0 && domain.Pool.FreeCount == domain.Pool.BlockCount);
            Check.That(domain.ExpectedBlocks == 0 && domain.HolderCount == 0 && domain.MayTake(this));
            Check.That(domain.Pool.QuarantinedCount == 0);
            Check.That(EngineInternals.AdmissionTurns(domain).Count == 0);
        }
        foreach (WorkerSlot slot in _cluster.Slots)
        {
            WorkerSnapshot snapshot = slot.Worker.Snapshot();
            Check.That(snapshot is { QueuedCount: 0, PrefillingCount: 0, ArrivedCount: 0, DecodingCount: 0 });
            Check.That(slot.Worker.RequestCount == 0 && slot.Worker.PendingTokens == 0);
            Check.That(slot.Worker.Space.ChargedBlocks == 0);
        }
        _cluster.Count(_tally);
        _cluster.Dispose();
    }

    /// <summary>Workers that have all gone to sleep must leave nothing behind that holds others up.</summary>
    private void CheckQuiet()
    {
        if (!_cluster.Slots.All(slot => slot.Worker.IsDead || _cluster.IsAsleep(slot.Worker)))
            return;
        _tally.Count(Happening.Slept);
        foreach (KvDomain domain in _cluster.Domains)
        {
            Check.That(domain.ExpectedBlocks == 0 && domain.HolderCount == 0 && domain.MayTake(this));
            Check.That(EngineInternals.AdmissionTurns(domain).Count == 0);
        }
    }

    private void Arrive()
    {
        if (_openedCount < _setup.CallCount && _setup.Chance(_setup.ArrivesOneStepIn))
        {
            Request first = _setup.NewRequest();
            int sampleCount = _setup.Chance(4) ? 2 + _setup.Next(4) : 1;
            if (sampleCount > 1)
                _tally.Count(Happening.Forked);
            _arrivals.Enqueue(first);
            for (int i = 1; i < sampleCount; i++)
                _arrivals.Enqueue(_setup.NextSample(first));
            _openedCount += sampleCount;
        }
        while (_arrivals.TryPeek(out Request? request) && TrySubmit(request))
            _arrivals.Dequeue();
    }

    /// <summary>False when the queue is full: the caller tries again later.</summary>
    private bool TrySubmit(Request request)
    {
        SimulatedCall call = new(request)
        {
            Planter = _planter, MayFail = MayFail, CurrentEpoch = () => _cluster.Swap.Current.Number,
        };
        int kvTokens = request.PromptTokens.Length + Math.Max(request.Sampling.MaxNewTokens, 1) - 1;
        bool neverFits = request.PromptTokens.Length + request.Sampling.MaxNewTokens > _setup.ContextTokens
            || kvTokens > _setup.CapacityTokens;
        try
        {
            _cluster.Router.Submit(call.Open(StepCount));
            Check.That(!neverFits);
        }
        catch (WorkerException)
        {
            Check.That(_cluster.AllDead);
            _tally.Count(Happening.AllDead);
            return true;
        }
        catch (CapacityException refusal)
        {
            bool isFull = refusal.Message.Contains("queue full");
            Check.That(isFull || neverFits);
            _tally.RefusedCount += isFull ? 0 : 1;
            _tally.QueueFullCount += isFull ? 1 : 0;
            return !isFull;
        }
        _workRounds += _setup.AloneRounds(request);
        _calls.Add(call);
        _live.Add(call);
        return true;
    }

    private void BeginAgain()
    {
        foreach (SimulatedCall call in _live)
            _workRounds += _setup.AloneRounds(call.Request);
        _watch.BeginAgain(StepCount - _pausedRounds);
    }

    private void Disturb()
    {
        _updates.Disturb();
        if (_setup.Chance(_setup.AbortsOneStepIn) && _calls.Count > 0)
        {
            List<SimulatedCall> among = _live.Count > 0 && !_setup.Chance(8) ? _live : _calls;
            SimulatedCall call = among[_setup.Next(among.Count)];
            _tally.CountAbort(call.Sequence!.Phase);
            Abort(call);
        }
        if (_setup.Chance(_setup.AbortsOneStepIn * 20))
            _live.ForEach(Abort);
        WorkerSlot slot = _cluster.Slots[_setup.Next(_cluster.Slots.Count)];
        if (_setup.Chance(_setup.FlushesOneStepIn))
            slot.Worker.TryPost(new WorkerCommand.FlushCache());
        if (_setup.Chance(_setup.FailsOneStepIn))
        {
            RunnerFault fault = _setup.Chance(2) ? RunnerFault.Start : RunnerFault.Finish;
            _cluster.Runner(slot.Number).NextFault = fault;
        }
        if (_setup.Chance(_setup.KillsOneStepIn))
            Kill(slot);
        if (_setup.Chance(_setup.FailsOneStepIn * 4))
            _cluster.NextCopyFails = true;
        if (slot.Worker.IsDead && _setup.Chance(_setup.RestartsOneStepIn))
            Restart(slot);
    }

    private void Restart(WorkerSlot slot)
    {
        bool hangs = _cluster.IsStepping(slot.Worker);
        if (_cluster.Swap.IsPaused)
            _tally.Count(Happening.RestartedWhilePaused);
        _tally.Count(hangs ? Happening.RestartedWhileHanging : Happening.Restarted);
        _cluster.Router.Restart(slot);
    }

    /// <summary>A sequence ends with an error only after three failures, or where nobody is left.</summary>
    private bool MayFail(Sequence sequence) => sequence.FailureCount > 2 || _cluster.AllDead;

    private void Abort(SimulatedCall call)
    {
        if (!call.AbortPosted)
            call.AbortStep = StepCount;
        call.AbortPosted = true;
        if (_planter?.Bug == PlantedBug.AbortIgnored)
            return;
        call.Sequence!.AbortRequested = true;
        foreach (WorkerSlot slot in _cluster.Slots)
            slot.Worker.TryPost(new WorkerCommand.Abort(call.Sequence!));
    }

    private void Kill(WorkerSlot slot)
    {
        foreach (SimulatedCall call in _live)
            _tally.CountKill(call.Sequence!.Phase);
        if (slot.Worker.IsDead)
            return;
        if (_cluster.CopyCount > 0)
            _tally.Count(Happening.KilledWhileCopying);
        if (_cluster.IsStepping(slot.Worker) && _setup.Chance(2))
        {
            bool gave = slot.Worker.TryAbandon(new TimeoutException("The fake step hangs."));
            if (gave)
                _tally.Count(Happening.KilledWhileComputing);
        }
        else if (_setup.Chance(2))
            _cluster.Hang(slot, () => AfterHang(slot));
        else
            slot.Worker.TryPost(new WorkerCommand.Die(new InvalidOperationException("The test killed it.")));
    }

    /// <summary>Others go on, perhaps in its place, before a step that hung comes back.</summary>
    private void AfterHang(WorkerSlot slot)
    {
        _tally.Count(Happening.KilledWhileComputing);
        if (_setup.Chance(3))
            Restart(slot);
        for (int i = _setup.Next(12); i > 0; i--)
        {
            int number = _setup.Next(_order.Length);
            if (!_cluster.IsStepping(_cluster.Slots[number].Worker))
                Step(number);
        }
    }

    private void Verify()
    {
        int retractedCount = 0;
        foreach (SimulatedCall call in _live)
        {
            Sequence sequence = call.Sequence!;
            if (sequence is { Phase: SequencePhase.Queued, OutputCount: 0, RetractionCount: > 0 })
                _retractedPrefills.Add(sequence);
            retractedCount += sequence is { Phase: SequencePhase.Queued, WasAdmitted: true } ? 1 : 0;
            Check.That(sequence.Phase != SequencePhase.Queued || sequence.Blocks.Count == 0);
            Check.That(sequence.ComputedCount <= sequence.TokenCount);
            Check.That(sequence.Phase == SequencePhase.HandingOff
                || sequence.Blocks.Count * _setup.PageSize >= sequence.ComputedCount);
        }
        foreach (KvDomain domain in _cluster.Domains)
            domain.CheckConservation();
        foreach (WorkerSlot slot in _cluster.Slots)
        {
            WorkerSnapshot snapshot = slot.Worker.Snapshot();
            SchedulerOptions options = _setup.Workers[slot.Number].Options;
            if (_setup.IsSingle && options.MaxQueuedSequences is { } bound)
                Check.That(snapshot.QueuedCount - retractedCount <= bound);
            Check.That(slot.Worker.IsDead
                || snapshot.PrefillingCount + snapshot.DecodingCount <= options.MaxRunningSequences);
            Check.That(slot.Worker.Space.ChargedBlocks <= slot.Worker.Space.CapacityBlocks);
        }
        _cluster.VerifyCharges();
    }

    /// <summary>Neither side waits for the other more than every second step.</summary>
    private void CheckFairness()
    {
        if (!_setup.IsSingle)
            return;
        foreach (SimulatedCall call in _live)
            Check.That(call.StepsWithoutToken(StepCount - _pausedRounds) <= 1 + StepsLate);
        WorkerSnapshot snapshot = _cluster.Slots[0].Worker.Snapshot();
        if (snapshot.PrefillingCount == 0 || snapshot.PrefillTokenCount != _prefillTokenCount)
            _prefillStep = StepCount - _pausedRounds;
        _prefillTokenCount = snapshot.PrefillTokenCount;
        Check.That(StepCount - _pausedRounds - _prefillStep <= 2);
    }

    /// <summary>Steps in which a result, or an abort, must have reached its sequence.</summary>
    private int StepsLate => _setup.RunsAhead ? 2 : 1;

    /// <summary>Time is the count of steps.</summary>
    private sealed class StepClock(Simulation simulation) : TimeProvider
    {
        public override long GetTimestamp() => simulation.StepCount;
    }
}
