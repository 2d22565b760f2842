namespace PdEngine.Bench;

/// <summary>One of llama.cpp's sequences and the request that runs in it.</summary>
internal sealed class LlamaSlot(int id)
{
    // What the request has seen and made; the first _computed of them are in the peer's memory.
    private readonly List<int> _tokens = [];
    private int _computed;
    private long _useCount;

    /// <summary>The peer's number of the sequence.</summary>
    public int Id { get; } = id;

    /// <summary>Whose positions it holds.</summary>
    public string? Session { get; private set; }

    /// <summary>What runs in it, or null.</summary>
    public LlamaJob? Job { get; private set; }

    /// <summary>Grows with each use.</summary>
    public long LastUse => _useCount;

    /// <summary>Tokens that the peer has not computed.</summary>
    public int PendingTokens => _tokens.Count - _computed;

    public bool IsDecoding => Job is { OutputCount: > 0 };

    /// <summary>Starts a request; returns how many positions of the one before it can stay.</summary>
    public int Take(LlamaJob job)
    {
        int[] prompt = job.Request.Prompt;
        int most = Math.Min(_computed, prompt.Length - 1);
        int kept = 0;
        while (kept < most && _tokens[kept] == prompt[kept])
            kept++;
        _tokens.Clear();
        _tokens.AddRange(prompt);
        _computed = kept;
        _useCount++;
        job.CachedTokens = kept;
        Job = job;
        Session = job.Request.Session;
        return kept;
    }

    /// <summary>The next token that is not computed, with its position; it counts as computed.</summary>
    public (int Token, int Position) Next() => (_tokens[_computed], _computed++);

    /// <summary>Takes up the token that was drawn; the request ends with its last.</summary>
    public void Append(int token)
    {
        _tokens.Add(token);
        Job!.OutputCount++;
        Job.Output.Writer.TryWrite(token);
        if (Job.OutputCount < Job.Request.OutputTokens)
            return;
        Job.Output.Writer.TryComplete();
        Job = null;
    }
}
