namespace PdEngine.Host;

/// <summary>Counts over turns: what was computed, what the cache had, what changed hands.</summary>
internal sealed class RolloutMoves
{
    public int Turns { get; private set; }

    /// <summary>Tokens that the model drew.</summary>
    public long DrawnTokens { get; private set; }

    /// <summary>Tokens that the turns went on after, each time counted whole.</summary>
    public long PromptTokens { get; private set; }

    /// <summary>Of them, those that the prefix cache had.</summary>
    public long CachedTokens { get; private set; }

    public int Handoffs { get; private set; }

    public long HandoffBlocks { get; private set; }

    /// <summary>Copied between memory domains.</summary>
    public long TransferBytes { get; private set; }

    public long HandoffNs { get; private set; }

    /// <summary>Who computed prompts, in the order of their first.</summary>
    public List<string> PrefillWorkers { get; } = [];

    /// <summary>Who decoded.</summary>
    public List<string> DecodeWorkers { get; } = [];

    /// <summary>In percent.</summary>
    public double CachedPercent => PromptTokens == 0 ? 0 : CachedTokens * 100 / (double)PromptTokens;

    /// <summary>For example <c>prefill-0→decode-0</c>.</summary>
    public string Way
    {
        get
        {
            string from = string.Join("+", PrefillWorkers), to = string.Join("+", DecodeWorkers);
            return from == to || to.Length == 0 ? from : $"{from}→{to}";
        }
    }

    public static RolloutMoves Of(Generation turn)
    {
        RolloutMoves moves = new();
        moves.Add(turn);
        return moves;
    }

    public void Add(Generation turn)
    {
        Turns++;
        DrawnTokens += turn.OutputIds.Count;
        PromptTokens += turn.PromptIds.Length;
        CachedTokens += turn.CachedTokens;
        TransferBytes += turn.TransferBytes;
        if (turn.PdPath is not PdPath.Local)
        {
            Handoffs++;
            HandoffBlocks += turn.HandoffBlocks;
            HandoffNs += turn.Timings.HandoffNs;
        }
        Join(PrefillWorkers, turn.PrefillWorker);
        Join(DecodeWorkers, turn.DecodeWorker);
    }

    public void Add(RolloutMoves other)
    {
        Turns += other.Turns;
        DrawnTokens += other.DrawnTokens;
        PromptTokens += other.PromptTokens;
        CachedTokens += other.CachedTokens;
        TransferBytes += other.TransferBytes;
        Handoffs += other.Handoffs;
        HandoffBlocks += other.HandoffBlocks;
        HandoffNs += other.HandoffNs;
        other.PrefillWorkers.ForEach(worker => Join(PrefillWorkers, worker));
        other.DecodeWorkers.ForEach(worker => Join(DecodeWorkers, worker));
    }

    private static void Join(List<string> workers, string worker)
    {
        if (worker.Length > 0 && !workers.Contains(worker))
            workers.Add(worker);
    }
}
