namespace PdEngine;

/// <summary>
/// One engine instance: schedules, computes and applies, a step at a time, and hands sequences over to other
/// workers or takes them from there. <see cref="Submit"/>, <see cref="TryResubmit"/>, <see cref="TryPost"/>,
/// <see cref="ThrowIfNeverFits"/>, <see cref="Snapshot"/>, <see cref="TryAbandon"/> and <see cref="Close"/>
/// may be called by any thread; everything else belongs to the one thread that steps it.
/// </summary>
internal sealed class Worker : IDisposable
{
    /// <summary>
    /// Bytes copied from other domains before a step, about: a few milliseconds of delay for what decodes.
    /// </summary>
    private const long TransferBudgetBytes = 16 << 20;

    private readonly SchedulerOptions _options;
    private readonly IModelRunner _runner;
    private readonly Admission _admission;
    private readonly StepScheduler _scheduler;
    private readonly HandoffReceiver _receiver;
    private readonly HandoffSender _sender;
    private readonly StepRun _step;
    private readonly SequenceEnding _ending;
    private readonly BatchResults _results;
    private readonly Retraction _retraction;
    private readonly WorkerInbox _inbox;
    private readonly WorkerMailbox _mailbox = new();
    private readonly WorkerCounters _counters = new();
    private readonly LiveSequences _live = new();
    private readonly List<Sequence> _arrived = [];

    /// <summary>A watchdog's thread may fail the worker while another wants to dispose of it.</summary>
    private readonly Lock _endGate = new();
    private volatile WorkerException? _failure;
    private bool _disposed;

    /// <param name="name">For messages and results.</param>
    /// <param name="options">How it schedules.</param>
    /// <param name="space">Its share of a domain's blocks.</param>
    /// <param name="runner">Computes; not owned.</param>
    /// <param name="clock">Of all times.</param>
    /// <param name="rescue">Finds another worker for a sequence that lost this one; or null.</param>
    /// <param name="epoch">The weights that the runner has; absent: those before any update.</param>
    public Worker(
        string name, SchedulerOptions options, KvSpace space, IModelRunner runner, TimeProvider clock,
        Rescue? rescue = null, WeightEpoch? epoch = null)
    {
        Epoch = epoch ?? WeightEpoch.Initial;
        Name = name;
        Space = space;
        _options = options;
        _runner = runner;
        _admission = new(name, options, space);
        _scheduler = new(options, space, clock);
        _receiver = new(space, clock);
        _sender = new(space, _live);
        _step = new(runner, space.Domain, clock);
        _ending = new(this, _scheduler, _receiver, _live, _counters, clock, rescue);
        _results = new(
            this, runner, _scheduler, _live, _sender, _ending, _counters, clock,
            options.ContextTokens);
        _retraction = new(this, _scheduler, _receiver, _live);
        _inbox = new(this, _mailbox, _scheduler, _receiver, _live, _ending, _step, clock);
        Publish();
    }

    /// <summary>Takes a queued sequence that holds nothing; false ends it with the error.</summary>
    public delegate bool Rescue(Sequence sequence, Worker failed, WorkerException error);

    public string Name { get; }

    public KvSpace Space { get; }

    /// <summary>It has failed and serves nothing any more.</summary>
    public bool IsDead => _failure is not null;

    /// <inheritdoc cref="StepRun.IsAbandoned"/>
    public bool IsAbandoned => _step.IsAbandoned;

    public WorkerException? Failure => _failure;

    /// <summary>It ends: nothing is begun any more.</summary>
    public bool IsEnding => _disposed || IsDead;

    /// <summary>The weights that it computes with; changes between steps, on its own thread.</summary>
    public WeightEpoch Epoch { get; private set; }

    /// <summary>It drains its mailbox and does nothing else.</summary>
    public bool IsPaused { get; private set; }

    /// <summary>How long a step may take before this worker counts as hung.</summary>
    public TimeSpan Patience => _options.WatchdogTimeout;

    /// <summary>The last step ran nothing, though there are sequences: they wait for blocks.</summary>
    public bool IsBlocked { get; private set; }

    /// <summary>Most sequences that run here at once.</summary>
    public int MaxRunningSequences => _options.MaxRunningSequences;

    /// <inheritdoc cref="StepRun.BusySinceTicks"/>
    public long BusySinceTicks => _step.BusySinceTicks;

    /// <inheritdoc cref="LiveSequences.RequestCount"/>
    public int RequestCount => _live.RequestCount;

    /// <inheritdoc cref="LiveSequences.PendingTokens"/>
    public long PendingTokens => _live.PendingTokens;

    /// <inheritdoc cref="StepRun.StartTicks"/>
    public long StepStartTicks => _step.StartTicks;

    /// <summary>Counters as of the last step.</summary>
    public WorkerSnapshot Snapshot() => _counters.Read();

    /// <exception cref="CapacityException">The request exceeds the context length or the whole
    /// pool.</exception>
    public void ThrowIfNeverFits(Request request) => _admission.ThrowIfNeverFits(request);

    /// <summary>Queues a sequence.</summary>
    /// <param name="sequence">New.</param>
    /// <param name="handoff">Where it decodes, if not here.</param>
    /// <exception cref="CapacityException">It can never fit, or the queue is full.</exception>
    /// <exception cref="ObjectDisposedException">The worker has been stopped.</exception>
    public void Submit(Sequence sequence, Handoff? handoff = null)
    {
        _admission.ThrowIfNeverFits(sequence.Request);
        int waitingCount = _live.CountWaiting(1);
        try
        {
            _admission.ThrowIfQueueFull(waitingCount);
            ObjectDisposedException.ThrowIf(!TryEnqueue(sequence, handoff), this);
        }
        catch
        {
            _live.CountWaiting(-1);
            throw;
        }
    }

    /// <summary>For a hand-off that is about to be opened to this worker.</summary>
    /// <exception cref="CapacityException">More sequences wait for this worker than may.</exception>
    public void ThrowIfDecodeQueueFull() =>
        _admission.ThrowIfQueueFull(RequestCount - Snapshot().DecodingCount);

    /// <summary>
    /// Queues a sequence that was at the door before; false where this worker takes no more.
    /// </summary>
    public bool TryResubmit(Sequence sequence, Handoff? handoff)
    {
        int waiting = sequence.WasAdmitted ? 0 : 1;
        _live.CountWaiting(waiting);
        bool taken = TryEnqueue(sequence, handoff);
        if (!taken)
            _live.CountWaiting(-waiting);
        return taken;
    }

    /// <summary>False when the worker takes no more.</summary>
    public bool TryPost(WorkerCommand command)
    {
        Check.That(command is not WorkerCommand.Submit);
        return _mailbox.TryPost(command);
    }

    /// <summary>Counts hand-offs that are on their way here.</summary>
    public void CountExpected(int count) => _live.CountExpected(count);

    /// <summary>
    /// Starts one batch, if there is anything to run, and applies the results of what is started: all of it,
    /// or, where the runner runs ahead, up to the batch before.
    /// </summary>
    /// <returns>False when nothing is left to do until a command comes.</returns>
    public bool Step()
    {
        if (!TryDrain() || IsDead)
            return false;
        bool hadStarted = _step.StartedCount > 0;
        bool hasBatch = !IsPaused && TrySchedule();
        if (_step.IsAbandoned || (hasBatch && !TryStart()))
            return false;
        if (!TryApply(leaving: hasBatch && _runner.RunsAhead ? 1 : 0))
            return false;
        IsBlocked = !hasBatch && !hadStarted && (IsPaused || !_receiver.HasMore);
        // Others must wait neither for what has ended in this step nor for a turn that is not used.
        Space.PublishExpected(_scheduler.ExpectedBlocks);
        if (IsPaused || (!_scheduler.AwaitsBlocks && !_receiver.AwaitsBlocks))
            Space.LeaveTurn();
        Publish();
        return !IsPaused && (_scheduler.HasWork || _receiver.HasMore || _receiver.AwaitsBlocks);
    }

    /// <summary>Waits for the next command, or a little for others to give blocks back.</summary>
    public void Wait()
    {
        _runner.Rest();
        if (!IsPaused && (_scheduler.HasWork || _receiver.AwaitsBlocks))
            _mailbox.Wait(TimeSpan.FromMilliseconds(1));
        else
            _mailbox.Wait();
    }

    /// <summary>Schedules nothing from now on, but goes on draining its mailbox.</summary>
    public void Pause() => IsPaused = true;

    public void Resume() => IsPaused = false;

    /// <summary>Brings the sequences of a paused worker into the state that a mode asks for.</summary>
    public void Yield(PauseMode mode)
    {
        Check.That(IsPaused);
        // Those that came too late to be aborted must not go on with K and V of before either.
        if (mode != PauseMode.InPlace)
            _retraction.RetractAll();
    }

    /// <summary>Computes with other weights from now on; paused, between two steps.</summary>
    public void Use(WeightEpoch epoch)
    {
        Check.That(IsPaused);
        _retraction.RetractScoring();
        _receiver.ReserveAnew();
        _runner.Use(epoch);
        Epoch = epoch;
        _inbox.EndOutdated();
    }

    /// <summary>Takes no more commands and wakes the waiting thread.</summary>
    public void Close() => _mailbox.Close();

    /// <summary>
    /// Ends every sequence with what it has, and takes no more; once nothing steps it any longer.
    /// </summary>
    public void Dispose()
    {
        lock (_endGate)
        {
            if (_disposed)
                return;
            _disposed = true;
            Close();
            if (!IsDead)
                _step.TryDrop();
            _inbox.TryDrain(hasStarted: false);
            // The latest first: that end is the near one of every list that they are taken off.
            foreach (Sequence sequence in _live.ToArray().OrderByDescending(sequence => sequence.Arrival))
                _ending.End(sequence, FinishReason.Abort);
            _receiver.DropAll();
            if (!IsDead)
                Space.Leave();
            Publish();
            _mailbox.Dispose();
        }
    }

    /// <summary>
    /// Takes everything away from a worker whose step does not come back; false where no step is being
    /// computed. What it still writes into stays out of use until it does come back.
    /// </summary>
    public bool TryAbandon(Exception cause)
    {
        if (!_step.TryAbandon())
            return false;
        LoseAll(cause);
        return true;
    }

    /// <summary>
    /// This worker's own state can no longer be trusted: its sequences give their blocks back and go
    /// elsewhere, or end with this error and what they have.
    /// </summary>
    public void Fail(Exception cause)
    {
        // Of one that is dead already the sequences may be started elsewhere.
        if (!IsDead && _step.TryDrop())
            LoseAll(cause);
    }

    private bool TryEnqueue(Sequence sequence, Handoff? handoff)
    {
        _live.CountPosted(sequence);
        sequence.Pd.PrefillWorker = Name;
        if (_mailbox.TryPost(new WorkerCommand.Submit(sequence, handoff)))
            return true;
        _live.CountExpected(-1);
        _live.EndPending(sequence);
        return false;
    }

    /// <summary>Acts on commands: some of them between two batches, when nothing is started.</summary>
    /// <returns>False when the worker was abandoned meanwhile: nothing may be touched then.</returns>
    private bool TryDrain() =>
        _inbox.TryDrain(_step.StartedCount > 0)
        || (TryApply(leaving: 0) && _inbox.TryDrain(hasStarted: false));

    /// <summary>
    /// Chooses the next batch: before the results of a started one are applied where that can be done, and
    /// else after.
    /// </summary>
    private bool TrySchedule()
    {
        Check.That(Epoch.Number == Space.Epoch);
        if (_receiver.Count > 0)
            ReceiveBlocks();
        bool isAhead = _step.StartedCount > 0 && _scheduler.TryReserveAhead(_step.Oldest);
        if (!isAhead && !TryApply(leaving: 0))
            return false;
        bool hasBatch = _scheduler.TrySchedule(_step.Next, isAhead, _receiver.WaitingArrival);
        _retraction.Place();
        return hasBatch;
    }

    private void ReceiveBlocks()
    {
        _receiver.Advance(
            TransferBudgetBytes, _scheduler.ExpectedBlocks, before: _scheduler.WaitingArrival, _arrived);
        foreach (Sequence sequence in _arrived)
            _scheduler.AddArrived(sequence);
        _arrived.Clear();
    }

    /// <returns>False when the worker was abandoned meanwhile: nothing may be touched then.</returns>
    private bool TryStart()
    {
        _live.CountWaiting(-_scheduler.FirstAdmissionCount);
        foreach (Sequence sequence in _scheduler.Admitted)
            _sender.Announce(sequence);
        switch (_step.Start(out Exception? fault))
        {
            case StepRun.Outcome.Abandoned:
                return false;
            case StepRun.Outcome.Failed:
                return TryLose(fault!);
            default:
                if (_runner.OrdersCopies)
                    _sender.LendStarted(_step.Latest);
                return true;
        }
    }

    /// <summary>Applies the results of what is started, until so many batches are left.</summary>
    /// <returns>False when the worker was abandoned meanwhile: nothing may be touched then.</returns>
    private bool TryApply(int leaving)
    {
        while (_step.StartedCount > leaving)
        {
            StepRun.Outcome outcome = _step.Finish(out ForwardBatch batch, out Exception? fault);
            if (outcome == StepRun.Outcome.Abandoned)
                return false;
            if (outcome == StepRun.Outcome.Failed)
                return TryLose(fault!);
            _counters.CountStep(_step.LastTicks);
            _results.Apply(batch);
            batch.Clear();
        }
        return true;
    }

    /// <summary>A batch failed: its sequences are lost, and those of one started beside it.</summary>
    private bool TryLose(Exception fault)
    {
        if (!_step.TryDrop())
            return false;
        WorkerException error = new(Name, fault);
        foreach (ForwardBatch batch in _step.Dropped())
        {
            _ending.Lose(batch, error);
            batch.Clear();
        }
        _counters.CountFailure();
        return true;
    }

    private void LoseAll(Exception cause)
    {
        lock (_endGate)
        {
            if (_disposed)
                return;
            WorkerException error = new(Name, cause);
            _failure = error;
            Close();
            _inbox.ForgetAborts();
            _receiver.DropAll();
            foreach (Sequence sequence in _live.ToArray())
                _ending.Lose(sequence, error);
            _inbox.TryDrain(hasStarted: false);
            Space.Leave();
        }
    }

    private void Publish() => _counters.Publish(_scheduler, Space.Domain);
}
