namespace PdEngine.Examples;

/// <summary>An episode as tokens: what was observed, what was answered.</summary>
internal sealed class Transcript
{
    private readonly List<int> _tokens = [];
    private readonly List<bool> _isResponse = [];

    public void Observe(IReadOnlyList<int> tokens)
    {
        foreach (int token in tokens)
            Add(token, false);
    }

    public void Answer(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens)
            Add(token, true);
    }

    public TrainingSequence ToSequence() => new() { Tokens = [.. _tokens], IsResponse = [.. _isResponse] };

    private void Add(int token, bool isResponse)
    {
        _tokens.Add(token);
        _isResponse.Add(isResponse);
    }
}
