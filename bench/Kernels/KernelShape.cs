using System.Text;

namespace PdEngine.Bench;

/// <summary>The sizes of a model that its kernels see.</summary>
/// <param name="Name">Of the shape.</param>
/// <param name="Config">Its sizes.</param>
internal sealed record KernelShape(string Name, ModelConfig Config)
{
    public AttentionShape Heads => new(Config.HeadCount, Config.KvHeadCount, Config.HeadDim);

    /// <summary>Weights of a layer and the head: rows, columns, segments.</summary>
    public IReadOnlyList<(string Name, int Rows, int Columns, int Segments)> Matrices =>
    [
        ("qkv", Heads.QkvColumns, Config.HiddenSize, 1),
        ("o_proj", Config.HiddenSize, Heads.QueryColumns, 4),
        ("gate_up", 2 * Config.IntermediateSize, Config.HiddenSize, 1),
        ("down", Config.HiddenSize, Config.IntermediateSize, 4),
        ("head", Config.VocabularySize, Config.HiddenSize, 1),
    ];

    /// <summary>A shape by its name, or <c>QUERY_HEADS/KV_HEADS/HEAD_DIM</c> alone.</summary>
    /// <exception cref="OptionsException">There is no such shape.</exception>
    public static KernelShape Of(string name)
    {
        if (!RandomModel.Shapes.Contains(name))
        {
            throw new OptionsException(
                "--shape", $"there is no shape '{name}'; there are {string.Join(", ", RandomModel.Shapes)}");
        }
        string json = RandomCheckpoint.ConfigOf(name);
        return new(name, HfConfig.Parse(name, Encoding.UTF8.GetBytes(json)));
    }

    /// <summary>Heads written as <c>QUERY_HEADS/KV_HEADS/HEAD_DIM</c>.</summary>
    /// <exception cref="OptionsException">They are not.</exception>
    public static AttentionShape HeadsOf(string text)
    {
        int[] parts = [.. text.Split('/').Select(part => int.TryParse(part, out int size) ? size : 0)];
        bool isWhole = parts is [> 0 and <= 1024, > 0 and <= 1024, > 0 and <= 512]
            && parts[0] % parts[1] == 0 && parts[2] % 2 == 0;
        return isWhole
            ? new(parts[0], parts[1], parts[2])
            : throw new OptionsException(
                "--heads", $"'{text}' is not QUERY_HEADS/KV_HEADS/HEAD_DIM, as in 16/8/128: query heads a "
                + "multiple of KV heads, an even dimension up to 512");
    }
}
