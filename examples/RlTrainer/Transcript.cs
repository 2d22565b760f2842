namespace PdEngine.Examples;

/// <summary>An episode as tokens: what was observed, what was answered, with which log-probs.</summary>
internal sealed class Transcript
{
    private readonly List<int> _tokens = [];
    private readonly List<bool> _isResponse = [];
    private readonly List<float> _logProbs = [];

    public int TokenCount => _tokens.Count;

    public IReadOnlyList<int> Tokens => _tokens;

    public void Observe(IReadOnlyList<int> tokens)
    {
        foreach (int token in tokens)
            Add(token, false, 0);
    }

    public void Answer(int token, float logProb) => Add(token, true, logProb);

    public void Answer(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens)
            Add(token, true, 0);
    }

    public int[] Last(int count) => [.. _tokens[^count..]];

    public TrainingSequence ToSequence() => new()
    {
        Tokens = [.. _tokens], IsResponse = [.. _isResponse], RolloutLogProbs = [.. _logProbs],
    };

    private void Add(int token, bool isResponse, float logProb)
    {
        _tokens.Add(token);
        _isResponse.Add(isResponse);
        _logProbs.Add(logProb);
    }
}
