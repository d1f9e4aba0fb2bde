"""The network of OFA (Wang et al. 2022): a ResNet's picture and a question in, a sentence out."""
