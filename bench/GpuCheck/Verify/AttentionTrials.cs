namespace PdEngine.Bench;

/// <summary>
/// RoPE, append and attention, on the GPU and on the reference: prompts, chunks and decode.
/// </summary>
internal sealed class AttentionTrials(CheckRig rig, IBackend reference)
{
    /// <summary>Queries, keys, values and weights are rounded to bf16 on one side alone.</summary>
    private const double Tolerance = 1e-2;

    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        int most = Scale.AttentionLengths.Max();
        foreach (AttentionShape shape in Scale.AttentionHeads)
        {
            string heads = $"{shape.HeadCount}/{shape.KvHeadCount} of {shape.HeadDim}";
            foreach (int window in (int[])[0, most / 3])
            {
                string name = $"verify/attention {heads}{(window > 0 ? $" window {window}" : "")}";
                yield return new(name, () => Compare(name, shape, window));
            }
        }
    }

    private CheckRow Compare(string name, AttentionShape shape, int window)
    {
        int seed = (shape.HeadCount * 1000) + shape.HeadDim + window;
        int[] lengths = [.. Scale.AttentionLengths];
        int tokens = lengths.Sum();
        using CheckSide gpu = new(rig.Backend), host = new(reference);
        CheckSequences ours = new(gpu, shape, lengths, tokens, window, seed);
        CheckSequences theirs = new(host, shape, lengths, tokens, window, seed);
        (int, int, int)[] whole = [.. lengths.Select((length, i) => (i, 0, length))];
        // Prompts at once, then the last token of each beside a chunk of the longest.
        int longest = Array.IndexOf(lengths, lengths.Max()), half = lengths[longest] / 2;
        (int, int, int)[] mixed =
        [
            .. lengths.Select((length, i) => (i, length - 1, 1)),
            (longest, half, lengths[longest] - half - 1),
        ];
        Difference prompts = Difference.Near(ours.Run(whole), theirs.Run(whole), Tolerance);
        if (!prompts.IsFine)
            return prompts.Row(name, seed);
        Difference rest = Difference.Near(ours.Run(mixed), theirs.Run(mixed), Tolerance);
        return (rest with
        {
            Count = rest.Count + prompts.Count, Error = Math.Max(rest.Error, prompts.Error),
        }).Row(name, seed);
    }
}
