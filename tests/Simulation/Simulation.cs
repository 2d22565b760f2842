namespace PdEngine.Tests;

/// <summary>
/// One seeded run of the real worker, schedulers and cache on the test's own thread. After every step every
/// block must have exactly its holders; at the end every call must have what it would have got alone.
/// </summary>
internal sealed class Simulation
{
    private readonly SimulationSetup _setup;
    private readonly RadixCache _cache;
    private readonly FakeModelRunner _runner;
    private readonly Worker _worker;
    private readonly List<SimulatedCall> _calls = [];
    private readonly List<SimulatedCall> _live = [];
    private readonly Queue<Request> _arrivals = new();
    private readonly HashSet<Sequence> _retractedPrefills = [];
    private readonly int[] _holderCounts;
    private readonly BugPlanter? _planter;
    private readonly SimulationTally _tally;
    private long _prefillTokenCount;
    private long _prefillStep;
    private int _openedCount;
    private int _turnsLeft;

    public Simulation(int seed, SimulationTally tally, PlantedBug bug = PlantedBug.None)
    {
        _setup = new(seed);
        _tally = tally;
        _cache = new(_setup.Pool);
        _runner = new(_setup.Pool);
        if (bug != PlantedBug.None)
            _runner.Planter = _planter = new(bug, _setup.Pool, _cache, _live);
        _worker = new("sim", _setup.Options, _setup.Pool, _cache, _runner, new StepClock(this));
        _holderCounts = new int[_setup.Pool.BlockCount];
        _turnsLeft = _setup.CallCount;
    }

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

    private void StepOnce()
    {
        _planter?.BeforeStep();
        _worker.Step();
        StepCount++;
        _planter?.AfterStep();
        Verify();
        CheckFairness();
        for (int i = _live.Count - 1; i >= 0; i--)
        {
            SimulatedCall call = _live[i];
            Check.That(!call.AbortPosted || call.IsFinished);
            if (!call.IsFinished)
                continue;
            _live.RemoveAt(i);
            _tally.Count(call.Sequence!);
            if (_retractedPrefills.Remove(call.Sequence!))
                _tally.CountRetractedPrefill();
            call.Judge(_setup.Options.ContextTokens);
            if (_turnsLeft > 0 && call.Sequence!.OutputCount > 0 && _setup.Chance(2))
            {
                _turnsLeft--;
                _arrivals.Enqueue(_setup.NextTurn(call.Sequence!));
            }
        }
    }

    private void Close()
    {
        _worker.Post(new WorkerCommand.FlushCache());
        _worker.Step();
        Verify();
        Check.That(_cache.BlockCount == 0 && _setup.Pool.FreeCount == _setup.Pool.BlockCount);
        WorkerSnapshot snapshot = _worker.Snapshot();
        Check.That(snapshot is { QueuedCount: 0, PrefillingCount: 0, DecodingCount: 0, UsedBlockCount: 0 });
        _tally.Count(snapshot);
        _worker.Dispose();
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
        int room = _setup.Options.ContextTokens;
        int kvTokens = request.PromptTokens.Length + Math.Max(request.Sampling.MaxNewTokens, 1) - 1;
        bool neverFits = request.PromptTokens.Length + request.Sampling.MaxNewTokens > room
            || _setup.Pool.BlocksFor(kvTokens) > _setup.Pool.BlockCount;
        try
        {
            _worker.Submit(call.Open(StepCount));
            Check.That(!neverFits);
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
            _planter?.BeforeAbort(call.Sequence!);
            _tally.CountAbort(call.Sequence!.Phase);
            call.AbortPosted = true;
            _worker.Post(new WorkerCommand.Abort(call.Sequence!));
        }
        if (_setup.Chance(_setup.AbortsOneStepIn * 20))
        {
            foreach (SimulatedCall call in _live)
                call.AbortPosted = true;
            _worker.Post(new WorkerCommand.AbortAll());
        }
        if (_setup.Chance(_setup.FlushesOneStepIn))
            _worker.Post(new WorkerCommand.FlushCache());
        if (_setup.Chance(_setup.FailsOneStepIn))
            _runner.NextFault = (RunnerFault)(1 + _setup.Next(2));
    }

    private void Verify()
    {
        Array.Clear(_holderCounts);
        int retractedCount = 0;
        foreach (SimulatedCall call in _live)
        {
            Sequence sequence = call.Sequence!;
            foreach (int block in sequence.Blocks.Blocks)
                _holderCounts[block]++;
            if (sequence is { Phase: SequencePhase.Queued, OutputCount: 0, RetractionCount: > 0 })
                _retractedPrefills.Add(sequence);
            retractedCount += sequence is { Phase: SequencePhase.Queued, RetractionCount: > 0 } ? 1 : 0;
            Check.That(sequence.Phase != SequencePhase.Queued || sequence.Blocks.Count == 0);
            Check.That(sequence.ComputedCount <= sequence.TokenCount);
            Check.That(sequence.Blocks.Count * _setup.Pool.PageSize >= sequence.ComputedCount);
        }
        _cache.CheckConsistency(_holderCounts);
        _setup.Pool.CheckConservation(_holderCounts);
        WorkerSnapshot snapshot = _worker.Snapshot();
        if (_setup.Options.MaxQueuedSequences is { } bound)
            Check.That(snapshot.QueuedCount - retractedCount <= bound);
        Check.That(snapshot.PrefillingCount + snapshot.DecodingCount <= _setup.Options.MaxRunningSequences);
    }

    /// <summary>Neither side waits for the other more than every second step.</summary>
    private void CheckFairness()
    {
        foreach (SimulatedCall call in _live)
            Check.That(call.StepsWithoutToken(StepCount) <= 2);
        WorkerSnapshot snapshot = _worker.Snapshot();
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
