namespace PdEngine.Examples;

/// <summary>Episodes as the engine's rollouts see them: prompts, answers, samples to learn from.</summary>
internal static class EpisodeRollout
{
    /// <summary>A prompt that brings its episode along.</summary>
    /// <param name="start">Starts the episode; called once for the prompt and once for each sample.</param>
    public static RolloutPrompt PromptOf(Func<IEpisode> start) =>
        new() { InputIds = start().Prompt.ToArray(), Label = start };

    /// <summary>Answers a turn, tokens for tokens.</summary>
    public static ValueTask<RolloutTurn> AnswerAsync(RolloutSample sample, CancellationToken cancellation)
    {
        TurnOutcome outcome = PlayedEpisode.Of(sample).Episode.Respond(sample.TurnTokens);
        return ValueTask.FromResult(outcome.IsDone
            ? RolloutTurn.End(outcome.ExactReward)
            : RolloutTurn.Continue(outcome.Observation));
    }

    /// <summary>A sample with its log-probs, to learn from.</summary>
    public static TrainingSequence SequenceOf(RolloutSample sample)
    {
        int[] tokens = [.. sample.Tokens];
        bool[] isResponse = new bool[tokens.Length];
        float[] logProbs = new float[tokens.Length];
        for (int index = 0; index < sample.ResponseLength; index++)
        {
            isResponse[sample.PromptLength + index] = sample.LossMask[index] == 1;
            logProbs[sample.PromptLength + index] = sample.LogProbs[index];
        }
        return new()
        {
            Tokens = tokens, IsResponse = isResponse, RolloutLogProbs = logProbs,
            HasMixedKv = sample.HasMixedKv,
        };
    }
}
