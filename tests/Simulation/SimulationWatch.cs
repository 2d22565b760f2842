namespace PdEngine.Tests;

/// <summary>
/// Looks at every sequence after every step: tells what happened to it, that exactly one worker has it, and
/// that the service gets on.
/// </summary>
internal sealed class SimulationWatch(
    SimulationSetup setup, SimulatedCluster cluster, SimulationTally tally)
{
    private readonly Dictionary<Sequence, Seen> _seen = [];
    private readonly Dictionary<Worker, int> _overtakings = [];
    private readonly long _patienceRounds = Patience(setup);
    private readonly bool _isFair = setup.KillsOneStepIn == 0
        && setup.Workers.All(worker => worker.Options.Policy == SchedulePolicy.Fcfs);
    private long _progressRound;
    private bool _progressed;

    private enum HandoffStage
    {
        None,
        Expected,
        PartlyCopied,
        Complete,
    }

    /// <summary>After a step of any worker.</summary>
    public void Observe(IReadOnlyList<SimulatedCall> live, WorkerSlot slot)
    {
        CheckTurns(slot);
        foreach (SimulatedCall call in live)
        {
            Sequence sequence = call.Sequence!;
            if (!_seen.TryGetValue(sequence, out Seen? seen))
            {
                _seen.Add(sequence, seen = new());
                _progressed = true;
            }
            _progressed |= sequence.OutputCount > seen.OutputCount || call.IsFinished
                || sequence.ComputedCount > seen.ComputedCount;
            CountRetraction(sequence, seen);
            CountCancellation(sequence, seen);
            CountLate(sequence, seen);
            if (sequence.Phase == SequencePhase.Prefilling && seen.Phase == SequencePhase.Queued)
                CountAdmission(sequence);
            if (sequence.Pd.Reason == PdReasons.DecodeWorkerFailed && seen.Reason != sequence.Pd.Reason)
                tally.Count(Happening.DecodedWhereDecodeWorkerDied);
            CheckRunning(sequence, seen, slot);
            seen.Take(sequence, StageOf(sequence));
        }
    }

    /// <summary>A sequence that holds blocks gets on while its worker steps.</summary>
    private void CheckRunning(Sequence sequence, Seen seen, WorkerSlot slot)
    {
        string owner = sequence.Phase switch
        {
            SequencePhase.Prefilling => sequence.Pd.PrefillWorker,
            SequencePhase.Decoding => sequence.Pd.DecodeWorker,
            _ => "",
        };
        bool gotOn = sequence.Phase != seen.Phase || sequence.OutputCount > seen.OutputCount
            || sequence.ComputedCount != seen.LastComputedCount;
        bool mayGoOn = owner == slot.Name && !slot.Worker.IsPaused;
        seen.IdleSteps = gotOn ? 0 : seen.IdleSteps + (mayGoOn ? 1 : 0);
        tally.LongestIdle = Math.Max(tally.LongestIdle, (double)seen.IdleSteps / _patienceRounds);
        // It may wait for blocks that are lent to a worker of another domain, and so for all its sequences.
        if (seen.IdleSteps > _patienceRounds
            && seen.IdleSteps > _patienceRounds + (2 * _seen.Keys.Sum(s => setup.AloneRounds(s.Request))))
        {
            throw new InvariantException(
                $"{sequence.Request.Id} is not computed by {owner}, which steps; "
                + Describe([.. _seen.Keys]));
        }
    }

    /// <summary>Sequences that wait are served once those that were there are through.</summary>
    private void CheckWaiting(long round, IReadOnlyList<SimulatedCall> live)
    {
        if (!_isFair)
            return;
        foreach (SimulatedCall call in live)
        {
            if (!_seen.TryGetValue(call.Sequence!, out Seen? seen))
                continue;
            bool waits = seen.Phase is SequencePhase.Queued or SequencePhase.HandingOff;
            if (!waits || seen.WaitPhase != seen.Phase)
            {
                seen.WaitPhase = seen.Phase;
                seen.WaitStart = round;
                seen.WaitBound = 60;
                foreach (SimulatedCall other in live)
                    seen.WaitBound += setup.AloneRounds(other.Request);
                continue;
            }
            long waited = round - seen.WaitStart;
            tally.LongestQueue = Math.Max(tally.LongestQueue, (double)waited / seen.WaitBound);
            if (waited > 4 * seen.WaitBound)
                throw new InvariantException($"{call.Request.Id} starves; {Describe(live)}");
        }
    }

    /// <summary>After the step of one worker.</summary>
    private void CheckTurns(WorkerSlot slot)
    {
        Worker worker = slot.Worker;
        KvDomain domain = worker.Space.Domain;
        if (!domain.MayTake(this))
            tally.Count(Happening.Claimed);
        _overtakings[worker] = 0;
        List<object> turns = EngineInternals.AdmissionTurns(domain);
        int place = turns.IndexOf(worker.Space);
        if (place < 0)
            return;
        tally.Count(Happening.AwaitedTurn);
        Check.That(!worker.IsDead);
        // Nobody waits for a turn that a worker keeps and does not use.
        Check.That(!cluster.IsAsleep(worker));
    }

    /// <summary>After every worker had its chance of a step.</summary>
    public void CheckRound(long round, IReadOnlyList<SimulatedCall> live)
    {
        foreach (SimulatedCall call in live)
        {
            Check.That(call.IsFinished == (OwnerCount(call.Sequence!) == 0));
            Check.That(call.IsFinished || OwnerCount(call.Sequence!) == 1);
        }
        foreach (WorkerSlot slot in cluster.Slots)
            CountQuotaWaits(slot, live);
        CheckWaiting(round, live);
        if (_progressed || live.Count == 0)
            _progressRound = round;
        _progressed = false;
        tally.LongestWait = Math.Max(tally.LongestWait, (double)(round - _progressRound) / _patienceRounds);
        if (round - _progressRound > _patienceRounds)
            throw new InvariantException($"no progress in {_patienceRounds} rounds; {Describe(live)}");
    }

    private string Describe(IReadOnlyList<SimulatedCall> live) =>
        Describe([.. live.Select(call => call.Sequence!)]);

    private string Describe(Sequence[] waiting)
    {
        IEnumerable<string> sequences = waiting.Select(sequence =>
            $"{sequence.Request.Id} {sequence.Phase} at {Owner(sequence)?.Name}, {sequence.ComputedCount} of "
            + $"{sequence.TokenCount} computed, {sequence.Blocks.Count} blocks, "
            + $"{sequence.RetractionCount} retractions, {sequence.Pd.Path}");
        return $"{StateDump.Of(cluster.Slots)} {string.Join("; ", sequences)}";
    }

    /// <summary>Sequences were held up, and some have to begin anew.</summary>
    public void BeginAgain(long round)
    {
        _progressRound = round;
        foreach (Seen seen in _seen.Values)
            seen.WaitPhase = SequencePhase.Finished;
    }

    public void Forget(Sequence sequence)
    {
        bool copiesAll = sequence is { FailureCount: 0, RetractionCount: 0, Pd.Path: PdPath.Copy };
        long allBytes = sequence.Pd.HandoffBlocks * FakeKvTransfer.BytesPerBlock;
        if (copiesAll && sequence.Pd.TransferBytes < allBytes && sequence.FinishReason != FinishReason.Abort)
            tally.Count(Happening.CopiedBesideCached);
        if (sequence.CachedCount > 0 && sequence.Pd.PrefillWorker == sequence.Pd.DecodeWorker
            && sequence.Pd.DecodeWorker.StartsWith("Decode", StringComparison.Ordinal))
        {
            tally.Count(Happening.CachedOnDecodeWorker);
        }
        _seen.Remove(sequence);
    }

    /// <summary>Rounds in which the whole service must have computed something it had not before.</summary>
    private static long Patience(SimulationSetup setup)
    {
        int budget = setup.Workers.Min(worker => Math.Max(1, worker.Options.PrefillBudgetTokens / 4));
        return 40 + (2 * setup.CapacityTokens / budget) + (setup.CapacityTokens / setup.PageSize);
    }

    private int OwnerCount(Sequence sequence)
    {
        int count = 0;
        foreach (WorkerSlot slot in cluster.Slots)
        {
            count += EngineInternals.Live(slot.Worker).ContainsKey(sequence) ? 1 : 0;
            foreach (WorkerCommand command in EngineInternals.Commands(slot.Worker))
            {
                bool brings = command is WorkerCommand.Submit submit && submit.Sequence == sequence
                    || command is WorkerCommand.Adopt adopt && adopt.Handoff.Sequence == sequence;
                count += brings ? 1 : 0;
            }
        }
        return count;
    }

    private WorkerSlot? Owner(Sequence sequence)
    {
        foreach (WorkerSlot slot in cluster.Slots)
        {
            if (EngineInternals.Live(slot.Worker).ContainsKey(sequence))
                return slot;
        }
        return null;
    }

    /// <summary>Those that wait for a turn are not overtaken by more than had one before them.</summary>
    private void CountAdmission(Sequence sequence)
    {
        if (Owner(sequence) is not { } owner)
            return;
        List<object> turns = EngineInternals.AdmissionTurns(owner.Worker.Space.Domain);
        foreach (WorkerSlot slot in cluster.Slots)
        {
            Worker other = slot.Worker;
            if (other == owner.Worker || !turns.Contains(other.Space))
                continue;
            _overtakings[other] = _overtakings.GetValueOrDefault(other) + 1;
            int boundCount = 2 * cluster.Slots.Count * 16;
            Check.That(_overtakings[other] <= boundCount);
        }
    }

    private void CountRetraction(Sequence sequence, Seen seen)
    {
        if (sequence.RetractionCount == seen.RetractionCount)
            return;
        if (seen.Phase == SequencePhase.HandingOff)
            tally.Count(Happening.RetractedOnArrival);
        else if (seen.Path == PdPath.Local || seen.Phase != SequencePhase.Decoding)
            tally.Count(Happening.RetractedWhereItBegan);
        if (seen.Path != PdPath.Local && seen.Phase is SequencePhase.Decoding or SequencePhase.HandingOff)
        {
            bool stays = Owner(sequence)?.Name == seen.DecodeWorker;
            tally.Count(stays
                ? Happening.RetractedWithoutItsPrefillWorker
                : Happening.RetractedToItsPrefillWorker);
        }
    }

    private void CountCancellation(Sequence sequence, Seen seen)
    {
        bool isCancelled = sequence.Phase is SequencePhase.Queued or SequencePhase.Finished;
        if (!isCancelled || seen.Stage == HandoffStage.None)
            return;
        tally.Count(seen.Stage switch
        {
            HandoffStage.Expected => Happening.CancelledWhenExpected,
            HandoffStage.PartlyCopied => Happening.CancelledWhenPartlyCopied,
            _ => Happening.CancelledWhenComplete,
        });
    }

    private void CountLate(Sequence sequence, Seen seen)
    {
        if (sequence.Ending is { } reason && !seen.EndsLate)
            tally.Count(reason == FinishReason.Abort ? Happening.AbortedLate : Happening.StoppedLate);
        seen.EndsLate = sequence.Ending is not null;
    }

    private HandoffStage StageOf(Sequence sequence)
    {
        if (sequence.Phase == SequencePhase.HandingOff)
        {
            return sequence.Pd.Path == PdPath.Copy && sequence.Blocks.Count == 0
                ? HandoffStage.Complete
                : HandoffStage.None;
        }
        if (sequence.Phase != SequencePhase.Prefilling || sequence.Kv.Loan is not { } loan
            || Owner(sequence) is not { } owner)
        {
            return HandoffStage.None;
        }
        FakeKvMemory memory = cluster.Memories[setup.Workers[owner.Number].Domain];
        foreach (int block in loan.Blocks)
        {
            if (memory.IsCopied(block))
                return HandoffStage.PartlyCopied;
        }
        return HandoffStage.Expected;
    }

    private void CountQuotaWaits(WorkerSlot slot, IReadOnlyList<SimulatedCall> live)
    {
        KvSpace space = slot.Worker.Space;
        WorkerSnapshot snapshot = slot.Worker.Snapshot();
        SchedulerOptions options = setup.Workers[slot.Number].Options;
        if (options.QuotaBlocks is null || slot.Worker.IsDead)
            return;
        bool hasPlace = snapshot.PrefillingCount + snapshot.DecodingCount < options.MaxRunningSequences;
        if (snapshot.ArrivedCount > 0 && hasPlace)
            tally.Count(Happening.ArrivedOverQuota);
        int leftBlocks = space.CapacityBlocks - space.ChargedBlocks;
        foreach (SimulatedCall call in live)
        {
            if (!hasPlace || call.Sequence!.Phase != SequencePhase.Queued || Owner(call.Sequence) != slot)
                continue;
            int blocks = space.BlocksFor(call.Sequence.TokenCount);
            if (blocks > leftBlocks && blocks <= space.Domain.AvailableBlockCount)
                tally.Count(Happening.QueuedOverQuota);
        }
    }

    /// <summary>A sequence as it was after the last step.</summary>
    private sealed class Seen
    {
        public SequencePhase Phase { get; private set; }

        public int RetractionCount { get; private set; }

        public int OutputCount { get; private set; }

        /// <summary>Most that were ever computed.</summary>
        public int ComputedCount { get; private set; }

        public int LastComputedCount { get; private set; }

        /// <summary>Steps of its worker in which nothing of it was computed.</summary>
        public int IdleSteps { get; set; }

        /// <summary>A started batch has it, though it is to end.</summary>
        public bool EndsLate { get; set; }

        public SequencePhase WaitPhase { get; set; } = SequencePhase.Finished;

        /// <summary>Since when it has waited in that phase.</summary>
        public long WaitStart { get; set; }

        /// <summary>Rounds in which all that were there then should be through.</summary>
        public long WaitBound { get; set; }

        public HandoffStage Stage { get; private set; }

        public PdPath Path { get; private set; }

        public string Reason { get; private set; } = "";

        public string DecodeWorker { get; private set; } = "";

        public void Take(Sequence sequence, HandoffStage stage)
        {
            Phase = sequence.Phase;
            RetractionCount = sequence.RetractionCount;
            OutputCount = sequence.OutputCount;
            ComputedCount = Math.Max(ComputedCount, sequence.ComputedCount);
            LastComputedCount = sequence.ComputedCount;
            Stage = stage;
            Path = sequence.Pd.Path;
            Reason = sequence.Pd.Reason;
            DecodeWorker = sequence.Pd.DecodeWorker;
        }
    }
}
