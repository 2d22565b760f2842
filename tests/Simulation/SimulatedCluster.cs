using System.Runtime.ExceptionServices;

namespace PdEngine.Tests;

/// <summary>
/// The real router and workers of one service on fake memory, without threads: the test steps them. While a
/// worker computes or copies, others may make steps, as threads would.
/// </summary>
internal sealed class SimulatedCluster : IDisposable
{
    private readonly SimulationSetup _setup;
    private readonly TimeProvider _clock;
    private readonly List<FakeModelRunner> _runners = [];
    private readonly List<Worker> _made = [];
    private readonly List<FakeModelRunner> _ran = [];
    private readonly HashSet<Worker> _stepping = [];
    private readonly HashSet<Worker> _asleep = [];
    private int _failedCopyCount;

    public SimulatedCluster(SimulationSetup setup, TimeProvider clock)
    {
        _setup = setup;
        _clock = clock;
        Domains = [.. setup.DomainSizes.Select(blocks => new KvDomain(blocks, setup.PageSize))];
        Memories = [.. Domains.Select(domain => new FakeKvMemory(domain.Pool))];
        Router = new(new RouterOptions
        {
            Regular = setup.RouterPolicy,
            Prefill = setup.RouterPolicy,
            Decode = setup.RouterPolicy,
            Disaggregate = setup.Disaggregate,
            LocalTokens = setup.PageSize,
            Seed = (ulong)setup.Seed,
            Clock = clock,
            Transfer = NewTransfer,
        });
        Swap = new(Router, WeightEpoch.Initial, runsInline: true);
        Slots = [.. setup.Workers.Select((worker, number) => new WorkerSlot(
            number, $"{worker.Role}-{number}", worker.Role, Make, hasThread: false))];
        Router.Connect(Slots);
    }

    public Router Router { get; }

    public WeightSwap Swap { get; }

    public IReadOnlyList<WorkerSlot> Slots { get; }

    public IReadOnlyList<KvDomain> Domains { get; }

    public IReadOnlyList<FakeKvMemory> Memories { get; }

    /// <summary>What happens while a worker computes or copies.</summary>
    public Action? Meanwhile { get; set; }

    /// <summary>Copies in progress.</summary>
    public int CopyCount { get; private set; }

    /// <summary>The next copy throws.</summary>
    public bool NextCopyFails { get; set; }

    /// <summary>No worker is left.</summary>
    public bool AllDead => Slots.All(slot => slot.Worker.IsDead);

    /// <summary>A worker that nothing but a command wakes.</summary>
    public bool IsAsleep(Worker worker) =>
        _asleep.Contains(worker) && EngineInternals.Commands(worker).IsEmpty;

    /// <summary>It computes or copies at this moment.</summary>
    public bool IsStepping(Worker worker) => _stepping.Contains(worker);

    private BugPlanter? Planter { get; set; }

    public void Plant(BugPlanter planter)
    {
        Planter = planter;
        foreach (FakeModelRunner runner in _runners)
            runner.Planter = planter;
    }

    /// <summary>
    /// What the loop of a worker's thread does: one that is dead or asleep makes no step, and a fault of a
    /// device fails it. A broken invariant goes on to the test, even where the worker took it for a fault.
    /// </summary>
    /// <returns>False where it could not make a step.</returns>
    public bool Step(int number)
    {
        Worker worker = Slots[number].Worker;
        if (worker.IsDead || IsAsleep(worker) || !_stepping.Add(worker))
            return false;
        FakeModelRunner runner = _runners[number];
        try
        {
            if (worker.Step())
                _asleep.Remove(worker);
            else
                _asleep.Add(worker);
        }
        catch (BackendException cause)
        {
            worker.Fail(cause);
        }
        _stepping.Remove(worker);
        if (runner.Broken is { } broken)
            ExceptionDispatchInfo.Throw(broken);
        return true;
    }

    /// <summary>A worker copies: others make steps.</summary>
    public void BeginCopy()
    {
        CopyCount++;
        Meanwhile?.Invoke();
        CopyCount--;
    }

    /// <summary>Whether the copy in progress throws.</summary>
    public bool TakeCopyFault()
    {
        bool fails = NextCopyFails;
        NextCopyFails = false;
        _failedCopyCount += fails ? 1 : 0;
        return fails;
    }

    /// <summary>Adds up what all workers did, those that died included.</summary>
    public void Count(SimulationTally tally)
    {
        foreach (Worker worker in _made)
            tally.Count(worker.Snapshot());
        for (int i = 0; i < _failedCopyCount; i++)
            tally.Count(Happening.CopyFailed);
        foreach (FakeModelRunner runner in _ran)
            tally.CountAhead(runner.AheadCount);
        foreach (FakeKvMemory memory in Memories)
            tally.CountEarlyCopies(memory.EarlyCopyCount);
    }

    /// <summary>
    /// The memory of every block is given back, and comes again with anything in it; no sequence holds any.
    /// </summary>
    public void Vacate()
    {
        foreach (KvDomain domain in Domains)
        {
            domain.Cache.Flush();
            Check.That(domain.Pool.UsedCount == 0);
        }
        foreach (FakeKvMemory memory in Memories)
            memory.Scramble();
    }

    public FakeModelRunner Runner(int number) => _runners[number];

    /// <summary>Where a worker's K and V lie.</summary>
    public FakeKvMemory Memory(int number) => Memories[_setup.Workers[number].Domain];

    /// <summary>
    /// Lets a worker's next step hang: it is given up while the step is being computed.
    /// </summary>
    /// <param name="slot">Its slot.</param>
    /// <param name="afterwards">What happens before the step comes back.</param>
    public void Hang(WorkerSlot slot, Action afterwards)
    {
        Worker worker = slot.Worker;
        FakeModelRunner runner = _runners[slot.Number];
        runner.NextFault = RunnerFault.Hang;
        runner.OnHang = () =>
        {
            worker.TryAbandon(new TimeoutException("The fake step hangs."));
            Check.That(worker.IsDead);
            afterwards();
        };
    }

    public void Dispose()
    {
        foreach (WorkerSlot slot in Slots)
            slot.Dispose();
    }

    /// <summary>Blocks are charged to the worker that runs their sequence.</summary>
    public void VerifyCharges()
    {
        foreach (WorkerSlot slot in Slots)
        {
            int blocks = 0;
            KvQuota? quota = null;
            foreach (Sequence sequence in EngineInternals.Live(slot.Worker).Keys)
            {
                if (sequence.Phase is not (SequencePhase.Decoding or SequencePhase.Prefilling)
                    || sequence.Kv.Quota is null)
                {
                    continue;
                }
                blocks += sequence.Kv.ChargedCount;
                quota ??= sequence.Kv.Quota;
                Check.That(sequence.Kv.Quota == quota && sequence.Kv.ChargedCount <= sequence.Blocks.Count);
            }
            Check.That(quota is null || quota.ChargedBlocks >= blocks);
            Check.That(quota is null || quota.ChargedBlocks == slot.Worker.Space.ChargedBlocks);
        }
    }

    private (Worker, IDisposable) Make(WorkerSlot slot)
    {
        SimulatedWorker worker = _setup.Workers[slot.Number];
        FakeModelRunner runner = new(Memories[worker.Domain], _setup.RunsAhead)
        {
            Planter = Planter,
            Meanwhile = () => Meanwhile?.Invoke(),
        };
        if (slot.Number < _runners.Count)
            _runners[slot.Number] = runner;
        else
            _runners.Add(runner);
        KvSpace space = new(
            Domains[worker.Domain], worker.Options.QuotaBlocks, worker.Options.UsesPrefixCache);
        Worker made = new(slot.Name, worker.Options, space, runner, _clock, Router.Rescue, Swap.Current);
        runner.IsLost = () => made.IsDead || made.IsAbandoned;
        _ran.Add(runner);
        runner.Use(Swap.Current);
        if (Planter?.StartsWithOldWeights == true && runner.Epoch > 0)
            runner.Epoch--;
        if (Swap.IsPaused)
            made.Pause();
        _made.Add(made);
        return (made, runner);
    }

    private FakeKvTransfer NewTransfer(int source, int target) =>
        new(Memories[_setup.Workers[source].Domain], Memories[_setup.Workers[target].Domain], this)
        {
            Planter = Planter,
        };
}

/// <summary>One worker of a simulated service.</summary>
/// <param name="Role">What it does.</param>
/// <param name="Domain">Index of its domain.</param>
/// <param name="Options">How it schedules.</param>
internal sealed record SimulatedWorker(WorkerType Role, int Domain, SchedulerOptions Options);
