namespace PdEngine.Tests;

/// <summary>
/// The real router and workers of one service on fake memory, without threads: the test steps them.
/// </summary>
internal sealed class SimulatedCluster : IDisposable
{
    private readonly SimulationSetup _setup;
    private readonly TimeProvider _clock;
    private readonly List<FakeModelRunner> _runners = [];
    private readonly List<Worker> _made = [];

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
        Slots = [.. setup.Workers.Select((worker, number) => new WorkerSlot(
            number, $"{worker.Role}-{number}", worker.Role, Make, hasThread: false))];
        Router.Connect(Slots);
    }

    public Router Router { get; }

    public IReadOnlyList<WorkerSlot> Slots { get; }

    public IReadOnlyList<KvDomain> Domains { get; }

    public IReadOnlyList<FakeKvMemory> Memories { get; }

    private BugPlanter? Planter { get; set; }

    public void Plant(BugPlanter planter)
    {
        Planter = planter;
        foreach (FakeModelRunner runner in _runners)
            runner.Planter = planter;
    }

    /// <summary>As the loop of a worker's thread: a bug found inside fails the worker.</summary>
    public void Step(int number)
    {
        if (!Slots[number].Worker.IsDead)
            Slots[number].Worker.Step();
    }

    /// <summary>Adds up what all workers did, those that died included.</summary>
    public void Count(SimulationTally tally)
    {
        foreach (Worker worker in _made)
            tally.Count(worker.Snapshot());
    }

    public FakeModelRunner Runner(int number) => _runners[number];

    /// <summary>Lets a worker's next step hang: it is given up while the step is being computed.</summary>
    public void Hang(WorkerSlot slot)
    {
        Worker worker = slot.Worker;
        FakeModelRunner runner = _runners[slot.Number];
        runner.NextFault = RunnerFault.Hang;
        runner.OnHang = () => Check.That(worker.TryAbandon(new TimeoutException("The fake step hangs.")));
    }

    public void Dispose()
    {
        foreach (WorkerSlot slot in Slots)
            slot.Dispose();
    }

    private (Worker, IDisposable) Make(WorkerSlot slot)
    {
        SimulatedWorker worker = _setup.Workers[slot.Number];
        FakeModelRunner runner = new(Memories[worker.Domain]) { Planter = Planter };
        if (slot.Number < _runners.Count)
            _runners[slot.Number] = runner;
        else
            _runners.Add(runner);
        KvSpace space = new(
            Domains[worker.Domain], worker.Options.QuotaBlocks, worker.Options.UsesPrefixCache);
        Worker made = new(slot.Name, worker.Options, space, runner, _clock, Router.Rescue);
        _made.Add(made);
        return (made, runner);
    }

    private FakeKvTransfer NewTransfer(int source, int target) =>
        new(Memories[_setup.Workers[source].Domain], Memories[_setup.Workers[target].Domain])
        {
            Planter = Planter,
        };
}

/// <summary>One worker of a simulated service.</summary>
/// <param name="Role">What it does.</param>
/// <param name="Domain">Index of its domain.</param>
/// <param name="Options">How it schedules.</param>
internal sealed record SimulatedWorker(WorkerType Role, int Domain, SchedulerOptions Options);
