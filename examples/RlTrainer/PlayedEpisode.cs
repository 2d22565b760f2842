namespace PdEngine.Examples;

/// <summary>What a sample carries along: the episode that it plays, and what came of its score.</summary>
internal sealed class PlayedEpisode(IEpisode episode)
{
    public IEpisode Episode => episode;

    /// <summary>Largest |score - rollout| of its tokens; null where it was not scored.</summary>
    public double? ScoreDifference { get; private set; }

    /// <summary>That of a sample; the first call starts the episode.</summary>
    public static PlayedEpisode Of(RolloutSample sample) =>
        (PlayedEpisode)(sample.State ??= new PlayedEpisode(((Func<IEpisode>)sample.Prompt.Label!)()));

    /// <summary>Compares scores with what the rollout reported [ResponseLength].</summary>
    public void Compare(float[] scores, IReadOnlyList<float> rollout)
    {
        double largest = 0;
        for (int index = 0; index < scores.Length; index++)
            largest = Math.Max(largest, Math.Abs((double)scores[index] - rollout[index]));
        ScoreDifference = largest;
    }
}
