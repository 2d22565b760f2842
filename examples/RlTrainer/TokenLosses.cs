namespace PdEngine.Examples;

/// <summary>
/// What a response token costs, as a function of its log-prob under the weights now trained.
/// </summary>
internal interface ITokenLoss
{
    /// <summary>The cost of one token and its slope in the log-prob.</summary>
    /// <param name="sequence">Where the token stands.</param>
    /// <param name="position">Its position.</param>
    /// <param name="logProb">Its log-prob now.</param>
    TokenCost Of(TrainingSequence sequence, int position, float logProb);
}

/// <summary>A token's share of the loss.</summary>
/// <param name="Loss">Before the mean over tokens.</param>
/// <param name="Slope">d loss / d log-prob.</param>
/// <param name="IsClipped">The slope of the policy's part was cut to zero.</param>
internal readonly record struct TokenCost(double Loss, double Slope, bool IsClipped = false);

/// <summary>-log p: supervised learning.</summary>
internal sealed class CrossEntropyLoss : ITokenLoss
{
    public TokenCost Of(TrainingSequence sequence, int position, float logProb) => new(-logProb, -1);
}

/// <summary>
/// -min(r A, clip(r, 1 - low, 1 + high) A) + beta (e^d - d - 1), with r = p / p at rollout and d = log-prob
/// of the reference less log-prob now: the clipped policy loss and an unbiased estimate of the divergence.
/// </summary>
/// <param name="clipLow">How far the ratio may fall before the token stops pulling.</param>
/// <param name="clipHigh">How far it may rise.</param>
/// <param name="klWeight">Beta; 0 needs no reference.</param>
internal sealed class ClippedPolicyLoss(double clipLow, double clipHigh, double klWeight) : ITokenLoss
{
    public TokenCost Of(TrainingSequence sequence, int position, float logProb)
    {
        double ratio = Math.Exp((double)logProb - sequence.RolloutLogProbs[position]);
        double advantage = sequence.Advantage;
        double clipped = Math.Clamp(ratio, 1 - clipLow, 1 + clipHigh) * advantage;
        bool isClipped = clipped < ratio * advantage;
        double loss = -Math.Min(ratio * advantage, clipped);
        double slope = isClipped ? 0 : -advantage * ratio;
        if (klWeight != 0)
        {
            double difference = (double)sequence.ReferenceLogProbs[position] - logProb;
            double grown = Math.Exp(difference);
            loss += klWeight * (grown - difference - 1);
            slope += klWeight * (1 - grown);
        }
        return new(loss, slope, isClipped);
    }
}
