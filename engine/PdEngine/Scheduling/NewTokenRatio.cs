namespace PdEngine;

/// <summary>
/// The share of its remaining MaxNewTokens that a running sequence is expected to use: it starts high, falls
/// with every decode step, and is set anew from what sequences really used when blocks ran out.
/// </summary>
internal sealed class NewTokenRatio
{
    private const double InitialRatio = 0.7;
    private const double LowestShare = 0.14;
    private const int DecaySteps = 600;
    private const int LookaheadTokens = 20;

    private readonly double _lowest;
    private readonly double _decay;
    private double _ratio;

    public NewTokenRatio(double conservativeness)
    {
        _ratio = Math.Min(1, InitialRatio * conservativeness);
        _lowest = _ratio * LowestShare;
        _decay = (_ratio - _lowest) / DecaySteps;
    }

    /// <summary>Tokens expected of a sequence that may make this many more.</summary>
    public int Expect(int remainingTokens) => (int)Math.Ceiling(remainingTokens * _ratio);

    public void Decay() => _ratio = Math.Max(_lowest, _ratio - _decay);

    /// <summary>
    /// Blocks ran out: sets the ratio to what the running sequences have used so far, and a little more.
    /// </summary>
    public void Reset(ReadOnlySpan<Sequence> running)
    {
        long used = 0, allowed = 1;
        foreach (Sequence sequence in running)
        {
            used += sequence.OutputCount + LookaheadTokens;
            allowed += sequence.Request.Sampling.MaxNewTokens;
        }
        _ratio = Math.Clamp((double)used / allowed, _lowest, 1);
    }
}
