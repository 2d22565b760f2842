using System.Text;

namespace PdEngine;

/// <summary>Reads <c>added_tokens</c> of tokenizer.json.</summary>
internal static class AddedTokenReader
{
    private const int MaxContentBytes = 1024;

    /// <summary>The tokens, in file order; none where the section is absent.</summary>
    public static List<AddedToken> Read(TokenizerField section)
    {
        List<AddedToken> tokens = [];
        if (section.IsNull)
            return tokens;
        HashSet<string> contents = [];
        foreach (TokenizerField item in section.Items())
        {
            string content = item["content"].Text();
            byte[] utf8 = Encoding.UTF8.GetBytes(content);
            int id = item["id"].Integer();
            if (id < 0)
                throw item.Fault($"has the id {id}; ids count from 0");
            if (utf8.Length is 0 or > MaxContentBytes)
                throw item.Fault($"has {utf8.Length} bytes of content; 1 to {MaxContentBytes} are supported");
            if (!contents.Add(content))
                throw item.Fault($"repeats the content '{content}'");
            tokens.Add(new AddedToken(id, utf8, item["lstrip"].Flag(), item["rstrip"].Flag(),
                item["single_word"].Flag(), item["normalized"].Flag(), item["special"].Flag()));
        }
        return tokens;
    }
}
