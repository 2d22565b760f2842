namespace PdEngine.Examples;

/// <summary>What a model can do, measured by play.</summary>
/// <param name="Reward">Mean.</param>
/// <param name="Success">Share of episodes done.</param>
/// <param name="Turns">Mean.</param>
internal readonly record struct Skill(double Reward, double Success, double Turns)
{
    /// <summary>Means over played episodes.</summary>
    public static Skill Of(IReadOnlyList<PlayedEpisode> episodes) => new(
        episodes.Average(episode => episode.Reward),
        episodes.Average(episode => episode.Succeeded ? 1.0 : 0.0),
        episodes.Average(episode => episode.Turns));

    /// <summary>Plays fresh episodes of an environment.</summary>
    public static Skill Measure(
        IPlayer player, IEnvironment environment, int episodeCount, float temperature, ulong seed)
    {
        List<IEpisode> episodes = [];
        // Far from the seeds that training draws.
        for (int index = 0; index < episodeCount; index++)
            episodes.Add(environment.Start(1_000_000_000 + index));
        List<PlayedEpisode> played = [];
        for (int first = 0; first < episodeCount; first += LocalPlayer.MaxEpisodes)
        {
            int count = Math.Min(LocalPlayer.MaxEpisodes, episodeCount - first);
            played.AddRange(player.Play(episodes.GetRange(first, count), temperature, seed + (ulong)first));
        }
        return Of(played);
    }

    /// <summary>Share of the greetings that are answered by heart, greedily.</summary>
    public static double Recited(IPlayer player)
    {
        List<IEpisode> episodes = [.. Greetings.All.Select(pair => new Recital(pair.Message, pair.Answer))];
        return Of(player.Play(episodes, 0, 0)).Success;
    }

    private sealed class Recital(string message, string answer) : IEpisode
    {
        public IReadOnlyList<int> Prompt { get; } = Vocabulary.Ask(message);

        public int Turns { get; private set; }

        public bool Succeeded { get; private set; }

        public TurnOutcome Respond(ReadOnlySpan<int> response)
        {
            Turns++;
            Succeeded = response.SequenceEqual(Vocabulary.Answer(answer));
            return TurnOutcome.Done(Succeeded ? 1 : 0);
        }
    }
}
