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
    private readonly int[] _order;
    private long _prefillTokenCount;
    private long _prefillStep;
    private int _openedCount;
    private int _turnsLeft;

    public Simulation(int seed, SimulationTally tally, PlantedBug bug = PlantedBug.None)
    {
        _setup = new(seed);
        _tally = tally;
        _cluster = new(_setup, new StepClock(this));
        if (bug != PlantedBug.None)
            _cluster.Plant(_planter = new(bug, _cluster, _live));
        _order = [.. Enumerable.Range(0, _cluster.Slots.Count)];
        _turnsLeft = _setup.CallCount;
    }

    /// <summary>Rounds in which every worker made a step.</summary>
    public long StepCount { get; private set; }

    /// <summary>Runs until every call has its answer; throws at the first thing that is wrong.</summary>
    public void Run()
    {
        long boundSteps = 1000;
        while (_openedCount < _setup.CallCount || _arrivals.Count > 0 || _live.Count > 0)
        {
            Arrive();
            Disturb();
            StepOnce();
            boundSteps = Math.Max(boundSteps, 1000 + (_calls.Count * 40L * _setup.CapacityTokens));
            Check.That(StepCount < boundSteps);
        }
        Close();
    }

    /// <summary>Goes on opening calls until this many steps have been made.</summary>
    public void Soak(long stepCount)
    {
        while (StepCount < stepCount || _live.Count > 0)
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
            if (_cluster.Slots[number].Worker.IsDead || (!_setup.IsSingle && _setup.Chance(6)))
                continue;
            _planter?.BeforeStep();
            _cluster.Step(number);
            _planter?.AfterStep();
            Verify();
        }
        CheckFairness();
        for (int i = _live.Count - 1; i >= 0; i--)
        {
            SimulatedCall call = _live[i];
            Check.That(call.IsFinished || !call.AbortPosted
                || StepCount - call.AbortStep < (_setup.IsSingle ? 1 : AbortRounds * 4));
            if (!call.IsFinished)
                continue;
            _live.RemoveAt(i);
            _tally.Count(call.Sequence!);
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

    private void Close()
    {
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
            Check.That(domain.ExpectedBlocks == 0 && domain.HolderCount == 0);
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

    private void Arrive()
    {
        if (_openedCount < _setup.CallCount && _setup.Chance(_setup.ArrivesOneStepIn))
        {
            Request first = _setup.NewRequest();
            int sampleCount = _setup.Chance(4) ? 2 + _setup.Next(4) : 1;
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
        SimulatedCall call = new(request) { Planter = _planter };
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
            Check.That(_cluster.Slots.All(slot => slot.Worker.IsDead));
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
        _calls.Add(call);
        _live.Add(call);
        return true;
    }

    private void Disturb()
    {
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
            _cluster.Runner(slot.Number).NextFault = _setup.Chance(2) ? RunnerFault.Start : RunnerFault.Finish;
        if (_setup.Chance(_setup.KillsOneStepIn))
            Kill(slot);
        if (slot.Worker.IsDead && _setup.Chance(4))
            _cluster.Router.Restart(slot);
    }

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
        if (_setup.Chance(2))
            _cluster.Hang(slot);
        else if (!slot.Worker.IsDead)
            slot.Worker.TryPost(new WorkerCommand.Die(new InvalidOperationException("The test killed it.")));
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
    }

    /// <summary>Neither side waits for the other more than every second step.</summary>
    private void CheckFairness()
    {
        if (!_setup.IsSingle)
            return;
        foreach (SimulatedCall call in _live)
            Check.That(call.StepsWithoutToken(StepCount) <= 2);
        WorkerSnapshot snapshot = _cluster.Slots[0].Worker.Snapshot();
        if (snapshot.PrefillingCount == 0 || snapshot.PrefillTokenCount != _prefillTokenCount)
            _prefillStep = StepCount;
        _prefillTokenCount = snapshot.PrefillTokenCount;
        Check.That(StepCount - _prefillStep <= 2);
    }

    /// <summary>Time is the count of steps.</summary>
    private sealed class StepClock(Simulation simulation) : TimeProvider
    {
        public override long GetTimestamp() => simulation.StepCount;
    }
}
