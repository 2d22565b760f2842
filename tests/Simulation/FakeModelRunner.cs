namespace PdEngine.Tests;

/// <summary>
/// A runner whose K and V are the token ids themselves: it writes them into the slots that the block tables
/// name and derives each row from what it reads back, so that a wrong block anywhere changes the text. Where
/// it runs ahead it does all that in <see cref="Finish"/>, as late as a device could.
/// </summary>
internal sealed class FakeModelRunner(FakeKvMemory memory, bool runsAhead = false) : IModelRunner
{
    private readonly KvBlockPool _pool = memory.Pool;
    private readonly Queue<StartedWork> _started = [];
    private int[]? _drawn;
    private int[]? _before;
    private int _batchEpoch;

    public bool RunsAhead => runsAhead;

    /// <summary>As of a device: K and V of a prompt may be copied from the start of its batch on.</summary>
    public bool OrdersCopies => runsAhead;

    /// <summary>Batches that are started and not finished.</summary>
    public int StartedCount => _started.Count;

    /// <summary>Batches that were started while another was.</summary>
    public long AheadCount { get; private set; }

    /// <summary>Its worker is gone, and has given back what batches still use.</summary>
    public Func<bool> IsLost { get; set; } = () => false;

    /// <summary>Throws in the next step: in Start before anything is written, or in Finish.</summary>
    public RunnerFault NextFault { get; set; }

    /// <summary>A bug planted into the run, for the tests of the tests.</summary>
    public BugPlanter? Planter { get; set; }

    /// <summary>What happens while it computes.</summary>
    public Action? Meanwhile { get; init; }

    /// <summary>What went wrong beside faults; its worker takes everything for a fault of the
    /// device.</summary>
    public Exception? Broken { get; private set; }

    /// <summary>What to do where a step hangs: takes the worker's sequences away from it.</summary>
    public Action? OnHang { get; set; }

    public long StartCount { get; private set; }

    public void Start(ForwardBatch batch)
    {
        try
        {
            Begin(batch);
            Write(batch, runsAhead ? Time.Early : Time.Any);
        }
        catch (Exception broken) when (Note(broken))
        {
            throw;
        }
    }

    public void Finish(ForwardBatch batch)
    {
        try
        {
            if (runsAhead)
                ComputeLate(batch);
            else
                ReadRows(batch);
        }
        catch (Exception broken) when (Note(broken))
        {
            throw;
        }
    }

    public void CopyBlock(int source, int target)
    {
        Check.That(_started.Count == 0);
        Check.That(_pool.ReferenceCount(target) == 1);
        memory.CopyFrom(memory, source, target, 0, FakeKvMemory.LayerCount);
    }

    /// <summary>Number of the weights; a bug may give it others than its worker believes.</summary>
    public int Epoch { get; set; }

    public void Use(WeightEpoch epoch)
    {
        Check.That(_started.Count == 0);
        Epoch = epoch.Number;
    }

    public void Rest()
    {
    }

    public void Dispose()
    {
    }

    private bool Note(Exception broken)
    {
        if (broken is not BackendException)
            Broken ??= broken;
        return false;
    }

    private void Begin(ForwardBatch batch)
    {
        Check.That(batch.TokenCount > 0 && batch.Attention.SliceCount > 0);
        Check.That(_started.Count < (runsAhead ? 2 : 1));
        for (int i = 0; i < batch.Attention.SliceCount; i++)
        {
            int ahead = batch.TokenIds[batch.Attention.Slices[i].FirstToken] < 0 ? 1 : 0;
            Check.That(batch.Attention.Slices[i].Start == batch.Sequences[i].ComputedCount + ahead);
            Check.That(ahead == 0 || _started.Count == 1);
        }
        StartCount++;
        _batchEpoch = Epoch;
        if (NextFault == RunnerFault.Start)
            Throw();
        if (NextFault == RunnerFault.Hang && OnHang is not null)
        {
            NextFault = RunnerFault.None;
            OnHang();
        }
        AheadCount += _started.Count;
        if (runsAhead)
            _started.Enqueue(new(batch, memory, Epoch));
        Meanwhile?.Invoke();
    }

    /// <summary>What a device would have done since the start, all at the last moment.</summary>
    private void ComputeLate(ForwardBatch batch)
    {
        StartedWork work = _started.Dequeue();
        Check.That(work.Batch == batch);
        if (!IsLost())
            work.CheckUntouched(Epoch);
        _batchEpoch = work.Epoch;
        int[]? before = _drawn;
        _drawn = null;
        if (before is null && batch.TokenIds.ContainsAnyInRange(int.MinValue, -1))
            throw new BackendException("The fake device had fallen over before.");
        _before = before;
        Write(batch, Time.Late);
        ReadRows(batch);
        if (_started.Count > 0)
            _drawn = [.. batch.Samples.Results.ToArray().Select(result => result.Token)];
    }

    /// <summary>
    /// Prompts early: what copies them waits for them, on a device. All else as late as may be.
    /// </summary>
    private void Write(ForwardBatch batch, Time time)
    {
        for (int i = 0; i < batch.Attention.SliceCount; i++)
        {
            AttentionSlice slice = batch.Attention.Slices[i];
            bool isEarly = batch.Sequences[i].Phase == SequencePhase.Prefilling
                && batch.TokenIds[slice.FirstToken] >= 0;
            if (time == Time.Any || isEarly == (time == Time.Early))
                Write(batch, slice);
            if (isEarly && time != Time.Any)
                Note(batch, slice, time == Time.Early);
        }
    }

    private void Note(ForwardBatch batch, AttentionSlice slice, bool isStarted)
    {
        for (int position = slice.Start; position < slice.Start + slice.QueryCount; position++)
            memory.NoteStarted(Block(batch, slice, position), isStarted);
    }

    private void ReadRows(ForwardBatch batch)
    {
        if (NextFault == RunnerFault.Finish)
            Throw();
        int sample = 0, wanted = 0;
        for (int i = 0; i < batch.Attention.SliceCount; i++)
            Read(batch, batch.Attention.Slices[i], ref wanted, ref sample);
        Check.That(wanted == batch.LogitsRowCount && sample == batch.Samples.RowCount);
        Planter?.AfterRun(batch);
        Meanwhile?.Invoke();
    }

    private void Throw()
    {
        NextFault = RunnerFault.None;
        throw new BackendException("The fake device fell over.");
    }

    private void Write(ForwardBatch batch, AttentionSlice slice)
    {
        for (int i = 0; i < slice.QueryCount; i++)
        {
            int position = slice.Start + i;
            int block = Block(batch, slice, position);
            // Only a block that nobody else holds may be written.
            Check.That(_pool.ReferenceCount(block) <= 1);
            if (Planter?.SkipsWrite(slice, position) == true)
                continue;
            int token = batch.TokenIds[slice.FirstToken + i];
            if (token < 0)
                token = _before![-1 - token];
            memory.Write(block, position % _pool.PageSize, FakeModel.Kv(token, _batchEpoch));
        }
    }

    private void Read(ForwardBatch batch, AttentionSlice slice, ref int wanted, ref int sample)
    {
        ulong context = FakeModel.Start;
        for (int position = 0; position < slice.Start + slice.QueryCount; position++)
        {
            int block = Block(batch, slice, position);
            context = FakeModel.Fold(context, memory.Read(block, position % _pool.PageSize));
            int token = slice.FirstToken + position - slice.Start;
            bool isWanted = position >= slice.Start && wanted < batch.LogitsRowCount
                && batch.WantedTokens[wanted] == token;
            if (!isWanted)
                continue;
            SampleBatch samples = batch.Samples;
            for (; sample < samples.RowCount && samples.Rows[sample].LogitsRow == wanted; sample++)
                Sample(samples, sample, context);
            wanted++;
        }
    }

    private void Sample(SampleBatch samples, int index, ulong context)
    {
        SampleRow row = samples.Rows[index];
        bool forgets = Planter?.Bug == PlantedBug.HistoryDropped;
        bool draws = Planter?.Bug == PlantedBug.SuppressedDrawn;
        samples.Results[index] = FakeModel.Sample(
            FakeModel.Fold(context, Epoch), row,
            forgets ? [] : Known(samples.History.Slice(row.FirstHistory, row.HistoryCount)),
            samples.BiasIds.Slice(row.FirstBias, row.BiasCount),
            samples.BiasValues.Slice(row.FirstBias, row.BiasCount),
            draws ? [] : samples.Suppressed.Slice(row.FirstSuppressed, row.SuppressedCount),
            samples.Tops.Slice(row.FirstTop, row.TopCount));
    }

    /// <summary>The last token may be one that the batch before has drawn.</summary>
    private ReadOnlySpan<int> Known(ReadOnlySpan<int> history)
    {
        if (history.Length == 0 || history[^1] >= 0)
            return history;
        return (int[])[.. history[..^1], _before![-1 - history[^1]]];
    }

    private int Block(ForwardBatch batch, AttentionSlice slice, int position) =>
        batch.Attention.Blocks[slice.FirstBlock + (position / _pool.PageSize)];

    private enum Time
    {
        Any,
        Early,
        Late,
    }
}

/// <summary>Where a runner fails.</summary>
public enum RunnerFault
{
    None,
    Start,
    Finish,

    /// <summary>Does not come back in time: its worker is given up meanwhile.</summary>
    Hang,
}
