using System.Text.Json.Nodes;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>
/// A checkpoint that says the same after every chat of <see cref="HttpRig.Template"/>: each of its pieces is
/// a token, and its weights make the next one of the last one.
/// </summary>
internal static class ScriptedModel
{
    private const int Hidden = 16;
    private const int FirstPiece = 258;
    private const int AfterPrompt = ':' + 2;
    private const int EndOfSequence = 1;

    public static string Folder(params string[] pieces)
    {
        string folder = Path.Combine(TestFiles.Scratch(), "scripted");
        string config = TinyModel.Config("llama", ("vocab_size", "320"), ("num_hidden_layers", "1"),
            ("eos_token_id", "1"), ("max_position_embeddings", "512"), ("tie_word_embeddings", "false"));
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), HttpRig.Template);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), Tokenizer(pieces));
        int[] chain = [AfterPrompt, .. Enumerable.Range(FirstPiece, pieces.Length), EndOfSequence];
        SafetensorsWriter writer = new();
        foreach ((string name, SafetensorsDtype dtype, long[] shape) in TinyModel.Tensors(config))
            writer.Add(name, dtype, shape, (first, values) => Fill(name, chain, first, values));
        writer.Write(Path.Combine(folder, "model.safetensors"));
        return folder;
    }

    private static string Tokenizer(string[] pieces)
    {
        JsonNode json = JsonNode.Parse(ByteTokenizer.Json())!;
        JsonArray added = json["added_tokens"]!.AsArray();
        for (int i = 0; i < pieces.Length; i++)
        {
            JsonNode one = added[0]!.DeepClone();
            (one["id"], one["content"], one["special"]) = (FirstPiece + i, pieces[i], false);
            added.Add(one);
        }
        return json.ToJsonString();
    }

    /// <summary>Link k of the chain is direction k; the head points from it to link k + 1.</summary>
    private static void Fill(string name, int[] chain, long firstElement, Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            int row = (int)((firstElement + i) / Hidden), column = (int)((firstElement + i) % Hidden);
            int link = Array.IndexOf(chain, row);
            values[i] = name switch
            {
                ModelTensors.Embedding => link == column ? 1 : 0,
                ModelTensors.Head => link > 0 && link - 1 == column ? 40 : 0,
                _ => name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0,
            };
        }
    }
}
