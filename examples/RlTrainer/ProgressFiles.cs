using System.Globalization;
using System.Text;
using System.Text.Json;

namespace PdEngine.Examples;

/// <summary>A run on paper: a JSON object for each step, and its curves.</summary>
internal static class ProgressFiles
{
    private const int Width = 720;
    private const int PanelHeight = 200;
    private const int Margin = 50;

    /// <summary>One line of JSON.</summary>
    public static string JsonLine(GrpoProgress progress)
    {
        RolloutTally played = progress.Played;
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteNumber("step", progress.Step);
            json.WriteNumber("reward", played.Skill.Reward);
            json.WriteNumber("success", played.Skill.Success);
            json.WriteNumber("turns", played.Skill.Turns);
            json.WriteNumber("logprob_diff_trainer", progress.Update.MeanLogProbDifference);
            if (played.ScoreDifference is { } difference)
                json.WriteNumber("logprob_diff_score", difference);
            else
                json.WriteNull("logprob_diff_score");
            json.WriteNumber("mixed_kv_samples", played.MixedKvSamples);
            json.WriteNumber("tokens_per_second", progress.TokensPerSecond);
            json.WriteNumber("staleness", played.Staleness);
            json.WriteNumber("ttft_ms", played.FirstTokenMs);
            json.WriteNumber("cache_hit_share", played.CacheHitShare);
            json.WriteNumber("loss", progress.Update.Batch.Loss);
            json.WriteNumber("gradient_norm", progress.Update.GradientNorm);
            json.WriteNumber("learning_rate", progress.LearningRate);
            json.WriteNumber("play_seconds", progress.Seconds.Play);
            json.WriteNumber("train_seconds", progress.Seconds.Train);
            json.WriteNumber("push_seconds", progress.Seconds.Push);
            if (progress.Evaluation is { } greedy)
            {
                json.WriteNumber("greedy_reward", greedy.Reward);
                json.WriteNumber("greedy_turns", greedy.Turns);
            }
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>A line for people.</summary>
    public static string TextLine(GrpoProgress progress)
    {
        RolloutTally played = progress.Played;
        string score = played.ScoreDifference is { } difference ? $"{difference:G2}" : "-";
        string greedy = progress.Evaluation is { } evaluated
            ? $"  greedy turns {evaluated.Turns:F2}, reward {evaluated.Reward:F3}"
            : "";
        return $"step {progress.Step,4}  reward {played.Skill.Reward:F3}  "
            + $"success {played.Skill.Success,6:P1}  turns {played.Skill.Turns:F2}  "
            + $"{progress.TokensPerSecond,6:F0} tokens/s  TTFT {played.FirstTokenMs:F1} ms  "
            + $"cached {played.CacheHitShare:P0}  stale {played.Staleness}  mixed {played.MixedKvSamples}  "
            + $"diff {progress.Update.MeanLogProbDifference:G2}, {score}  "
            + $"play {progress.Seconds.Play:F2} s, train {progress.Seconds.Train:F2} s, "
            + $"push {progress.Seconds.Push:F3} s{greedy}";
    }

    /// <summary>Reward and turns by step, as an SVG picture.</summary>
    public static string Curves(IReadOnlyList<CurvePoint> steps)
    {
        StringBuilder svg = new();
        int lastStep = steps.Count == 0 ? 0 : steps[^1].Step;
        svg.AppendLine(
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{3 * PanelHeight}\" "
            + "font-family=\"sans-serif\" font-size=\"12\">");
        svg.AppendLine($"<rect width=\"{Width}\" height=\"{3 * PanelHeight}\" fill=\"white\"/>");
        Panel(svg, 0, "reward", lastStep, [.. steps.Select(step => step.Played.Reward)]);
        Panel(svg, 1, "success", lastStep, [.. steps.Select(step => step.Played.Success)]);
        Panel(svg, 2, "turns", lastStep, [.. steps.Select(step => step.Played.Turns)]);
        return svg.AppendLine("</svg>").ToString();
    }

    private static void Panel(StringBuilder svg, int index, string name, int lastStep, double[] values)
    {
        int top = (index * PanelHeight) + 20;
        int bottom = ((index + 1) * PanelHeight) - 30;
        (double low, double high) = values.Length == 0 ? (0, 1) : (values.Min(), values.Max());
        if (high - low < 1e-6)
            high = low + 1;
        StringBuilder points = new();
        for (int step = 0; step < values.Length; step++)
        {
            double x = Margin + ((Width - (2.0 * Margin)) * step / Math.Max(1, values.Length - 1));
            double y = bottom - ((bottom - top) * (values[step] - low) / (high - low));
            points.Append(CultureInfo.InvariantCulture, $"{x:F1},{y:F1} ");
        }
        svg.AppendLine(
            $"<path d=\"M{Margin},{top} V{bottom} H{Width - Margin}\" fill=\"none\" stroke=\"#888\"/>");
        svg.AppendLine(
            $"<polyline points=\"{points.ToString().TrimEnd()}\" fill=\"none\" stroke=\"#1667b7\" "
            + "stroke-width=\"1.5\"/>");
        svg.AppendLine($"<text x=\"{Margin + 8}\" y=\"{top + 4}\">{name}</text>");
        svg.AppendLine($"<text x=\"4\" y=\"{top + 4}\">{high:F2}</text>");
        svg.AppendLine($"<text x=\"4\" y=\"{bottom}\">{low:F2}</text>");
        svg.AppendLine(
            $"<text x=\"{Width - Margin}\" y=\"{bottom + 16}\" text-anchor=\"end\">"
            + $"step {lastStep}</text>");
    }
}
